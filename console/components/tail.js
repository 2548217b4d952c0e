// The newest events on top: a ring of 500 rows of which only the visible ones are in the page, painted once a frame.
// While somebody points at it, has scrolled, chosen a row or paused, nothing moves; what comes is counted.
const ROW = 30, AHEAD = 6;

export default {
  template: `
    <div class="tail" @pointerenter="point($event, true)" @pointerleave="point($event, false)">
      <div class="tail-grid" role="grid" aria-label="Events" :aria-rowcount="total + 1" tabindex="0" ref="grid"
           :aria-activedescendant="cursor === null ? null : 'tail-' + cursor" @scroll.passive="scrolled"
           @keydown="move" @blur="left">
        <div class="tail-row tail-head" role="row">
          <div v-for="name in ['Seq', 'Time', 'Event', 'User', 'Says']" role="columnheader">{{ name }}</div>
        </div>
        <div role="rowgroup" class="tail-rows" :style="{ height: total * ${ROW} + 'px' }">
          <div v-for="(row, at) in shown" :key="at" :id="'tail-' + row[0]" role="row" :aria-rowindex="first + at + 2"
               :aria-selected="row[0] === chosen" :title="row[6]" @click="pick(row)"
               :class="['tail-row', row[5], { cursor: row[0] === cursor, chosen: row[0] === chosen }]"
               :style="{ transform: 'translateY(' + (first + at) * ${ROW} + 'px)' }">
            <div v-for="cell in 5" role="gridcell">{{ cell === 1 && row[0] < 0 ? '' : row[cell - 1] }}</div>
          </div>
        </div>
      </div>
      <div v-if="!total" class="tail-none"><slot></slot></div>
      <button v-if="fresh" type="button" class="tail-pill" @click="release">{{ fresh.toLocaleString('en') }} new</button>
    </div>`,
  props: { ring: Number, chosen: Number },
  emits: ["pick", "leave", "pause", "search"],
  data: () => ({ shown: [], first: 0, total: 0, fresh: 0, cursor: null, paused: false }),
  created() {
    // Not reactive: Vue is told once a frame what is visible.
    Object.assign(this, { rows: [], waiting: [], hovered: false, frame: 0 });
  },
  mounted() {
    window.addEventListener("keydown", this.shortcut);
    this.observer = new ResizeObserver(this.paint);
    this.observer.observe(this.$refs.grid);
  },
  unmounted() {
    window.removeEventListener("keydown", this.shortcut);
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
  },
  methods: {
    push(rows, renew) {
      if (renew) this.rows = this.waiting = [];
      this.waiting = this.waiting.concat(rows).slice(-this.ring);
      if (renew) return this.release();
      this.fresh += this.held() ? rows.length : 0;
      this.flow();
    },
    pause(on) {
      this.paused = on;
      this.flow();
    },
    held() {
      const stays = (seq) => this.rows.some((row) => row[0] === seq);
      return this.paused || this.hovered || this.$refs.grid.scrollTop > 0 || stays(this.cursor) || stays(this.chosen);
    },
    flow() {
      if (!this.held()) this.merge();
    },
    merge() {
      this.rows = this.waiting.reverse().concat(this.rows).slice(0, this.ring);
      [this.waiting, this.fresh] = [[], 0];
      this.paint();
    },
    release() {
      [this.cursor, this.$refs.grid.scrollTop] = [null, 0];
      this.merge();
    },
    paint() {
      if (!this.frame) this.frame = requestAnimationFrame(this.draw);
    },
    draw() {
      const { scrollTop, clientHeight } = this.$refs.grid;
      this.frame = 0;
      this.total = this.rows.length;
      this.first = Math.max(0, Math.min(Math.floor(scrollTop / ROW) - AHEAD, this.total - 1));
      this.shown = this.rows.slice(this.first, this.first + Math.ceil(clientHeight / ROW) + 2 * AHEAD);
    },
    scrolled() {
      this.paint();
      this.flow();
    },
    point(event, inside) {
      // A finger that taps does not hover.
      this.hovered = inside && event.pointerType === "mouse";
      this.flow();
    },
    left() {
      this.cursor = null;
      this.flow();
    },
    pick(row) {
      if (row[0] < 0) return;
      this.cursor = row[0];
      this.$emit("pick", row[0]);
    },
    move(event) {
      const page = Math.floor(this.$refs.grid.clientHeight / ROW) - 1, all = this.rows.length;
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -all, End: all };
      const at = this.rows.findIndex((row) => row[0] === this.cursor);
      if (event.key === "Enter" && at >= 0) this.pick(this.rows[at]);
      if (!(event.key in steps) || !all) return;
      event.preventDefault();
      const next = at < 0 ? 0 : Math.max(0, Math.min(at + steps[event.key], all - 1));
      this.cursor = this.rows[next][0];
      const grid = this.$refs.grid, top = next * ROW;
      grid.scrollTop = Math.max(Math.min(grid.scrollTop, top), top + 2 * ROW - grid.clientHeight);
      this.paint();
    },
    shortcut(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape") {
        this.release();
        this.$emit("leave");
      }
      if (event.target.closest("input, textarea, [contenteditable]")) return;
      if (event.key === "p") this.$emit("pause");
      if (event.key !== "/") return;
      event.preventDefault();
      this.$emit("search");
    },
  },
};
