// Adds to NiceGUI's editor what it has no option for: completion of tables and columns, a name for screen readers.
async (id, dark) => {
  const CM = await import("nicegui-codemirror");
  const element = getElement(id);
  if (!element.editor) await element.editorPromise;
  const tablesOf = (relations) => relations.map((one) => ({ label: one.name, type: one.kind === "view" ? "interface" : "class", detail: one.kind, info: one.comment, boost: 2 }));
  const columnsOf = (one) => one.columns.map((column) => ({ label: column.name, type: "property", detail: column.type, info: column.comment, boost: 1 }));
  const distinct = (columns) => [...new Map(columns.map((column) => [column.label, column])).values()];
  const complete = (context) => {
    const word = context.matchBefore(/[\w.]*$/);
    if (!context.explicit && word.text.length < 1) return null;
    // They come later than the editor, which waits for nobody.
    const relations = element.relations ?? [];
    const tables = tablesOf(relations);
    const parts = word.text.split(".");
    const named = relations.find((one) => one.name === parts.at(-2));
    const from = word.to - parts.at(-1).length;
    const used = relations.filter((one) => new RegExp(`\\b${one.name}\\b`, "i").test(context.state.doc.toString()));
    const near = named ? columnsOf(named) : used.length ? [...used.flatMap(columnsOf), ...tables] : [...tables, ...distinct(relations.flatMap(columnsOf))];
    return { from, options: near, validFor: /^\w*$/ };
  };
  // Whoever follows the system is dark or light only once here.
  if (dark === null && document.body.classList.contains("body--dark")) element.setTheme("vscodeDark");
  element.editor.dispatch({
    effects: CM.StateEffect.appendConfig.of([
      CM.EditorState.languageData.of(() => [{ autocomplete: complete }]),
      CM.EditorView.contentAttributes.of({ "aria-label": "SQL statement; Escape, then Tab leaves it" }),
    ]),
  });
}
