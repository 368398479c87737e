// Pictures side by side: the one under the pointer, or led to by the arrow keys, is shown larger and told of.
class Gallery {
  constructor(node) {
    this.node = node;
    this.rows = [...node.querySelectorAll("tr")].map((row) => [...row.querySelectorAll("img")]).filter((row) => row.length);
    this.at = null;
    this.mark = line("div", "", "mark");
    this.tip = line("div", "", "tip pictured");
    this.told = node.parentElement.querySelector(".reading");
    this.overlay = line("div", "", "overlay");
    this.overlay.append(this.mark, this.tip);
    this.hide();
    node.parentElement.append(this.overlay);
    for (const type of ["pointermove", "pointerdown"]) node.addEventListener(type, (event) => this.point(event));
    for (const type of ["pointerleave", "blur", "scroll"]) node.addEventListener(type, () => this.hide());
    node.addEventListener("keydown", (event) => this.key(event));
  }

  point({ target }) {
    const row = this.rows.findIndex((pictures) => pictures.includes(target));
    if (row < 0) return this.hide();
    this.show([row, this.rows[row].indexOf(target)]);
  }

  key(event) {
    if (event.key === "Escape") return this.hide();
    if (event.ctrlKey || event.metaKey || event.altKey || !MOVES.has(event.key)) return;
    event.preventDefault();
    this.at = this.moved(event.key);
    this.picture.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
    requestAnimationFrame(() => this.show(this.at)); // after what has scrolled
    this.told.textContent = this.picture.dataset.tip.replaceAll("\n", ", ").replaceAll("\t", " ");
  }

  // The first key shows where the cursor is.
  moved(key) {
    if (this.at === null) return [0, 0];
    const [row, column] = this.at;
    const [down, right] = [this.rows.length - 1, this.rows[0].length - 1];
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [-down, 0], PageDown: [down, 0], Home: [0, -right], End: [0, right] }[key];
    return [Math.max(0, Math.min(down, row + step[0])), Math.max(0, Math.min(right, column + step[1]))];
  }

  get picture() {
    return this.rows[this.at[0]][this.at[1]];
  }

  show(at) {
    this.at = at;
    const [box, whole] = [this.picture.getBoundingClientRect(), this.node.parentElement.getBoundingClientRect()];
    const [left, top] = [box.left - whole.left, box.top - whole.top];
    Object.assign(this.mark.style, { left: `${left}px`, top: `${top}px`, width: `${box.width}px`, height: `${box.height}px` });
    const [[name], ...others] = this.picture.dataset.tip.split("\n").map((text) => text.split("\t"));
    const larger = this.picture.cloneNode();
    larger.alt = "";
    const texts = line("div", "", "pairs");
    texts.append(line("div", name, "value"), ...others.flatMap((pair) => pair.map((text) => line("div", text, pair.length > 1 ? "name" : "whole"))));
    this.tip.replaceChildren(larger, texts);
    this.overlay.hidden = false;
    const { offsetWidth, offsetHeight } = this.tip;
    const right = left + box.width + 10;
    const beside = right + offsetWidth <= whole.width ? right : left - 10 - offsetWidth;
    const fits = beside >= 0;
    const within = Math.max(0, Math.min(top + box.height / 2 - offsetHeight / 2, whole.height - offsetHeight));
    Object.assign(this.tip.style, { left: `${fits ? beside : 0}px`, top: `${fits ? within : top + box.height + 10}px` });
  }

  hide() {
    this.overlay.hidden = true;
  }
}

for (const node of document.querySelectorAll(".pictures")) new Gallery(node);
