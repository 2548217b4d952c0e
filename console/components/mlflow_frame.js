// MLflow's own interface in a frame: first visit prepared, its inner address told to the page around it.
const FIRST_VISIT = {
  "_mlflow_model_registry_promo_modal_dismissed_v1": "true",
  "mlflow.assistant.panelOpen_v1": "false",
  "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
  "mlflow.workflowType_v1": '"machine_learning"',
};

export default {
  template: `<iframe :title="title" class="mlflow-frame"></iframe>`,
  props: { title: String, mount: String, at: String },
  mounted() {
    for (const [name, value] of Object.entries(FIRST_VISIT)) {
      if (localStorage.getItem(name) === null) localStorage.setItem(name, value);
    }
    // Not in the template: an empty frame has loaded before it is mounted.
    this.$el.addEventListener("load", this.watch);
    this.$el.src = `${this.mount}/#${this.at}`;
  },
  methods: {
    watch() {
      const inner = this.$el.contentWindow;
      // The assistant is closed here, so its buttons lead nowhere.
      const style = inner.document.createElement("style");
      style.textContent = "[data-assistant-ui] { display: none !important; }";
      inner.document.head.append(style);
      const tell = () => this.$emit("at", inner.location.hash.slice(1) || "/");
      // Its router changes the address without an event of its own.
      for (const name of ["pushState", "replaceState"]) {
        const change = inner.history[name];
        inner.history[name] = function (...parts) {
          const result = change.apply(this, parts);
          tell();
          return result;
        };
      }
      inner.addEventListener("popstate", tell);
    },
    again() {
      this.$el.contentWindow.location.reload();
    },
  },
};
