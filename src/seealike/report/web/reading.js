// The reading cursor: under the pointer, or moved by the arrow keys, it tells names, value and error of one element.

// Where an element is, in units of the axes.
function position(figure, row, column) {
  if (figure.kind === "maps") return mapPosition(figure, row, column);
  if (figure.kind === "heatmap") return [column, row];
  const x = along(figure, column) + (figure.kind === "points" ? figure.offset(row, column) : 0);
  return [x, shown(figure, figure.values[row][column])];
}

// Pixels in the plot of a position, as it is zoomed now, and back.
function scaling(node, figure) {
  const { left, top, panel, height } = figure.room;
  const [x0, x1] = node.layout.xaxis.range;
  const [y0, y1] = node.layout.yaxis.range;
  return {
    pixel: ([x, y]) => [left + ((x - x0) / (x1 - x0)) * panel, top + ((y1 - y) / (y1 - y0)) * height],
    point: ([px, py]) => [x0 + ((px - left) / panel) * (x1 - x0), y1 - ((py - top) / height) * (y1 - y0)],
    cell: [panel / (x1 - x0), height / Math.abs(y1 - y0)],
    holds: ([px, py]) => px >= left - 1 && px <= left + panel + 1 && py >= top - 1 && py <= top + height + 1,
  };
}

function nearest(figure, scale, pixel) {
  if (figure.kind === "maps") return mapAt(figure, scale.point(pixel));
  if (figure.kind === "heatmap") {
    const [x, y] = scale.point(pixel).map(Math.round);
    const inside = x >= 0 && y >= 0 && x < figure.columns.names.length && y < figure.rows.names.length;
    return inside ? [y, x] : null;
  }
  let [best, least] = [null, Infinity];
  figure.order.forEach((rows, column) =>
    rows.forEach((row) => {
      const [px, py] = scale.pixel(position(figure, row, column));
      // of lines, the layer first, then the line
      const [dx, dy] = [Math.abs(px - pixel[0]), Math.abs(py - pixel[1])];
      const apart = figure.kind === "curve" ? dx * 1e4 + dy : Math.hypot(dx, dy);
      if (apart < least) [best, least] = [[row, column], apart];
    }),
  );
  return best;
}

const NAMES = {
  heatmap: ({ rows, columns }, row, column) => [rows.names[row], columns.names[column]].map((name, i) => numbered([rows, columns][i], name)),
  path: ({ columns }, row, column) => [columns.names[column]],
  curve: ({ rows, columns }, row, column) => [columns.names[column], rows.names[row]],
  points: ({ rows, columns }, row, column) => [columns.names[column], `${rows.what} ${rows.names[row]}`],
  maps: (figure, map, cell) => [figure.names[map], mapCell(figure, cell)],
};

// A number says little without what it counts: `token 12`.
const numbered = (side, name) => (/^\d+$/.test(name) && side.what !== "layer" ? `${side.what} ${name}` : name);

// What there is to say of an element: its names, and its value with the error.
function reading(figure, [row, column]) {
  const names = NAMES[figure.kind](figure, row, column).filter((name) => name);
  if (figure.kind === "path") return { names, value: `at ${said(figure.at[column], null, "")}, ${said(figure.values[row][column], null, "")}`, certain: true };
  const error = errorAt(figure, row, column);
  const value = said(figure.values[row][column], error, figure.unit);
  return { names, value: `${figure.label} ${value}`, certain: error !== null || Number.isNaN(figure.values[row][column]) };
}

function line(tag, text, name) {
  const found = document.createElement(tag);
  found.textContent = text;
  if (name) found.className = name;
  return found;
}

const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);

class Cursor {
  constructor(node, figure) {
    this.node = node;
    this.figure = figure;
    this.at = null;
    this.square = figure.kind === "heatmap" || figure.kind === "maps"; // cells, not points
    this.mark = line("div", "", "mark");
    this.tip = line("div", "", "tip");
    this.told = node.parentElement.querySelector(".reading");
    this.overlay = line("div", "", "overlay");
    this.overlay.append(this.mark, this.tip);
    this.hide();
    node.parentElement.append(this.overlay);
    node.addEventListener("pointermove", (event) => this.point(event));
    node.addEventListener("pointerdown", (event) => this.point(event));
    node.addEventListener("pointerleave", () => (document.activeElement === node && this.byKey ? this.show(this.at) : this.hide()));
    node.addEventListener("keydown", (event) => this.key(event));
    node.addEventListener("blur", () => this.hide());
  }

  point(event) {
    if (!this.figure.ready) return;
    const box = this.node.getBoundingClientRect();
    const pixel = [event.clientX - box.left, event.clientY - box.top];
    const scale = scaling(this.node, this.figure);
    const found = scale.holds(pixel) ? nearest(this.figure, scale, pixel) : null;
    if (found === null) return this.hide();
    this.byKey = false;
    this.show(found);
  }

  key(event) {
    if (!this.figure.ready) return;
    if (event.key === "Escape") return this.escape();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = this.moved(event.key);
    if (next === null) return;
    event.preventDefault();
    this.byKey = true;
    this.show(next);
    const { names, value } = reading(this.figure, next);
    this.told.textContent = `${names.join(", ")}: ${value}`;
  }

  escape() {
    this.hide();
    Plotly.relayout(this.node, { "xaxis.range": this.whole.x, "yaxis.range": this.whole.y });
  }

  // The element a key leads to; the first key shows where the cursor is. Heads are gone through in the order of values.
  moved(key) {
    const { figure } = this;
    if (figure.kind === "maps") return MOVES.has(key) ? (this.at === null ? [0, 0] : mapMoved(figure, this.at, key)) : null;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0], PageUp: [10, 0], PageDown: [-10, 0] }[key];
    const end = { Home: 0, End: figure.columns.names.length - 1 }[key];
    if (!step && end === undefined) return null;
    if (this.at === null) return this.first();
    const [row, column] = this.at;
    const to = Math.max(0, Math.min(figure.columns.names.length - 1, end ?? column + step[1]));
    const among = figure.kind === "heatmap" ? null : figure.order[to];
    if (among === null) return [Math.max(0, Math.min(figure.rows.names.length - 1, row + (step?.[0] ?? 0))), to];
    if (!among.length) return figure.kind === "curve" ? [0, to] : this.at;
    const rank = figure.order[column].indexOf(row) + (step?.[0] ?? 0);
    return [among[Math.max(0, Math.min(among.length - 1, rank))], to];
  }

  first() {
    const column = this.figure.order.findIndex((rows) => rows.length);
    return [this.figure.kind === "heatmap" || column < 0 ? 0 : this.figure.order[column][0], this.figure.kind === "heatmap" ? 0 : Math.max(0, column)];
  }

  show(at) {
    this.at = at;
    const scale = scaling(this.node, this.figure);
    const pixel = scale.pixel(position(this.figure, ...at));
    if (!scale.holds(pixel)) return this.hide();
    const cell = this.figure.kind === "maps" ? scale.cell.map((side, i) => side * this.figure.room.cell[i]) : scale.cell;
    const size = this.square ? cell.map((side) => Math.max(6, side)) : [12, 12];
    Object.assign(this.mark.style, { left: `${pixel[0] - size[0] / 2}px`, top: `${pixel[1] - size[1] / 2}px`, width: `${size[0]}px`, height: `${size[1]}px` });
    this.mark.classList.toggle("round", !this.square);
    const { names, value, certain } = reading(this.figure, at);
    this.tip.replaceChildren(...names.map((name) => line("div", name, "name")), line("div", value, "value"));
    if (!certain) this.tip.append(line("div", "standard error not known", "name"));
    this.overlay.style.top = `${this.node.offsetTop}px`; // a legend may stand above the plot
    this.overlay.hidden = false;
    this.beside(pixel, size);
  }

  // The tip beside the element, on the side where there is room.
  beside([x, y], [wide, high]) {
    const room = this.node.parentElement.clientWidth;
    const { offsetWidth, offsetHeight } = this.tip;
    const right = x + wide / 2 + 8;
    const left = right + offsetWidth <= room ? right : Math.max(0, x - wide / 2 - 8 - offsetWidth);
    const overlaps = left < x + wide / 2 && left + offsetWidth > x - wide / 2;
    const top = overlaps ? y + high / 2 + 8 : y - offsetHeight / 2;
    Object.assign(this.tip.style, { left: `${left}px`, top: `${Math.max(0, top)}px` });
  }

  hide() {
    this.overlay.hidden = true;
  }
}
