// The page: figures are drawn when they come near, all of them before printing; light or dark as the reader likes.
const root = document.documentElement;
const PRINTED = 640; // pixels a figure is wide on paper

const panels = [...document.querySelectorAll(".plot")].map((node) => {
  const figure = JSON.parse(document.getElementById(node.dataset.figure).textContent);
  return { node, figure, cursor: new Cursor(node, figure), drawn: false };
});

const width = (panel) => (root.dataset.printing ? PRINTED : panel.node.parentElement.clientWidth);

function render(panel) {
  panel.drawn = true;
  panel.width = width(panel);
  panel.cursor.hide();
  return draw(panel.node, panel.figure, panel.width).then(() => {
    const { xaxis, yaxis } = panel.node.layout;
    panel.cursor.whole ??= { x: [...xaxis.range], y: [...yaxis.range] };
    panel.node.dataset.drawn = Math.round(performance.now()); // milliseconds after the page was asked for
  });
}

const redraw = () => panels.filter((panel) => panel.drawn).forEach(render);

// room is kept for what is not drawn yet, so that links lead to the right place
for (const panel of panels) {
  const room = frame(panel.figure, width(panel));
  panel.node.style.minHeight = `${room.top + room.height + room.bottom}px`;
}

const coming = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      const panel = panels.find(({ node }) => node === target);
      if (isIntersecting && !panel.drawn) render(panel);
    }
  },
  { rootMargin: "400px" },
);

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const panel = panels.find(({ node }) => node.parentElement === target);
    if (!root.dataset.printing && Math.abs(width(panel) - (panel.width ?? width(panel))) > 1) {
      panel.node.style.minHeight = "";
      if (panel.drawn) render(panel);
    }
  }
});

for (const { node } of panels) {
  coming.observe(node);
  resized.observe(node.parentElement);
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const button = document.getElementById("theme");

const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);

function themed() {
  button.setAttribute("aria-pressed", String(isDark()));
  redraw();
}

button.hidden = false;
button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  themed();
});
prefersDark.addEventListener("change", themed);
themed();

// on paper: light, every figure drawn, everything unfolded; then as it was
let before = null;

addEventListener("beforeprint", () => {
  const folded = [...document.querySelectorAll("details:not([open])")];
  before = { theme: root.dataset.theme, folded };
  root.dataset.theme = "light";
  root.dataset.printing = "yes";
  folded.forEach((details) => (details.open = true));
  panels.forEach(render);
});

addEventListener("afterprint", () => {
  if (before === null) return;
  delete root.dataset.printing;
  if (before.theme) root.dataset.theme = before.theme;
  else delete root.dataset.theme;
  before.folded.forEach((details) => (details.open = false));
  before = null;
  redraw();
});
