// Draws a figure with Plotly: traces and a layout of exact size, so that its cells are where the cursor looks for them.
const LETTER = 6.2; // pixels a letter of a label is wide, about
const MAGMA = JSON.parse(document.getElementById("palette").textContent).magma;
const TALLEST = 680; // pixels of a panel
const UNDEFINED = "#b8b8b8"; // the grey of what has no value

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Plotly reads a little HTML in its texts; a name is no HTML
const verbatim = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const shortened = (text, most) => (text.length > most ? "…" + text.slice(1 - most) : text);

function unpacked(matrix) {
  if (matrix === null) return null;
  const bytes = Uint8Array.from(atob(matrix.bdata), (letter) => letter.charCodeAt(0));
  const [rows, ...sides] = matrix.shape;
  const columns = sides.reduce((product, side) => product * side, 1);
  const numbers = new Float32Array(bytes.buffer);
  return Array.from({ length: rows }, (_, row) => numbers.subarray(row * columns, (row + 1) * columns));
}

// Where a value stands on a scale that may be logarithmic.
const shown = (figure, value) => (figure.log ? Math.log10(value) : value);

// Where a column stands along the axis.
const along = (figure, column) => figure.at?.[column] ?? column;

// Height and width of the panel, and the room around it for names.
function frame(figure, width) {
  if (figure.kind === "maps") return mapsFrame(figure, width);
  const narrow = width < 560;
  const most = narrow ? 12 : 32;
  const { rows, columns } = figure;
  const longest = (axis) => Math.max(0, ...axis.ticks.map(([, text]) => shortened(text, most).length)) * LETTER;
  const isHeatmap = figure.kind === "heatmap";
  const left = isHeatmap ? longest(rows) + 36 : 62;
  const right = isHeatmap ? (narrow ? 50 : 76) + (rows.models.length > 1 ? 22 : 0) : 12;
  const top = columns.models.length > 1 ? 28 : 10;
  const bottom = figure.at ? 48 : longest(columns) + 38;
  const [high, wide] = [rows.names.length, columns.names.length];
  let panel = Math.max(80, width - left - right);
  let height = Math.min(340, Math.max(200, panel * 0.6));
  if (figure.kind === "path") return { left, right, top: 10, bottom: 24, panel, height, most, narrow };
  if (isHeatmap) {
    panel = Math.min(panel, Math.max(180, wide * 52));
    height = figure.square ? (panel * high) / wide : Math.min(panel, Math.max(120, high * 52));
    if (height > TALLEST) [panel, height] = [figure.square ? (TALLEST * wide) / high : panel, TALLEST];
  }
  return { left, right, top, bottom, panel, height, most, narrow };
}

// Those of the ticks that have room, on an axis of so many pixels.
function apart(side, pixels) {
  const gap = (13 * side.names.length) / pixels;
  let last = -Infinity;
  return side.ticks.filter(([position]) => position - last >= gap && ((last = position), true));
}

function axis(side, most, pixels, lines) {
  const ticks = apart(side, pixels);
  return {
    range: [-0.5, side.names.length - 0.5],
    autorange: false,
    tickvals: ticks.map(([position]) => position),
    ticktext: ticks.map(([, text]) => verbatim(shortened(text, most))),
    title: { text: verbatim(side.title), standoff: 10 },
    showgrid: lines,
    ...LINES(),
  };
}

// An axis of numbers: where the columns of these lines stand.
function numeric(figure) {
  const [least, most] = [Math.min(...figure.at), Math.max(...figure.at)];
  const more = (most - least) * 0.04 || 1;
  return { range: [least - more, most + more], autorange: false, title: { text: verbatim(figure.along), standoff: 10 }, ...LINES() };
}

// Ticks at 1, 10, 100 of a logarithmic axis or colour bar; at 2 and 5 too where it is short.
function decades(figure, [least, most]) {
  if (!figure.log) return {};
  const steps = most - least < 2.5 ? [1, 2, 5] : [1];
  const values = [];
  for (let power = Math.floor(least); power <= most; power += Math.ceil((most - least) / 8)) values.push(...steps.map((step) => step * 10 ** power));
  const within = values.filter((value) => Math.log10(value) >= least - 1e-9 && Math.log10(value) <= most + 1e-9);
  const text = (value) => (value < 1e-3 || value >= 1e5 ? value.toExponential(0) : String(Number(value.toPrecision(1))));
  return { tickvals: within.map((value) => Math.log10(value)), ticktext: within.map(text) };
}

const LINES = () => ({
  zeroline: false,
  gridcolor: colour("--rule"),
  ticks: "outside",
  ticklen: 3,
  tickcolor: colour("--muted"),
  tickfont: { size: 11 },
});

function layout(figure, room) {
  const heat = figure.kind === "heatmap";
  const { rows, columns } = figure;
  const across = figure.at ? numeric(figure) : axis(columns, room.most, room.panel, figure.kind === "curve");
  const title = { text: fitting(figure, room.height), standoff: 8 };
  const up = heat
    ? axis(rows, room.most, room.height, false)
    : { ...LINES(), range: extent(figure), autorange: false, title, ...decades(figure, extent(figure)) };
  return {
    width: room.left + room.panel + room.right,
    height: room.top + room.height + room.bottom,
    margin: { l: room.left, r: room.right, t: room.top, b: room.bottom, pad: 0 },
    xaxis: { ...across, tickangle: figure.at ? 0 : -90 },
    yaxis: up,
    shapes: [...separators(columns, "x", heat), ...(heat ? separators(rows, "y", heat) : [])],
    annotations: [...named(columns, "x"), ...(heat ? named(rows, "y") : [])],
    font: { family: colour("--sans"), size: 12, color: colour("--ink") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: heat ? UNDEFINED : "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: false,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    uirevision: "kept",
  };
}

// The map of paths: the same scale both ways, and nothing to be read off its sides but distances.
function pathLayout(figure, room) {
  const common = layout({ ...figure, columns: { ...figure.columns, models: [] }, along: "" }, room);
  const known = (numbers) => numbers.filter(Number.isFinite);
  const sides = [known(figure.at), known([...figure.values[0]])].map((side) => [Math.min(0, ...side), Math.max(0, ...side)]);
  const each = Math.max((sides[0][1] - sides[0][0]) / room.panel, (sides[1][1] - sides[1][0]) / room.height) * 1.15 || 1;
  const range = ([least, most], pixels) => [(least + most - each * pixels) / 2, (least + most + each * pixels) / 2];
  const bare = { showgrid: false, showticklabels: false, ticks: "", title: { text: "" }, mirror: true, showline: true, linecolor: colour("--rule") };
  const ends = figure.columns.models.flatMap(([model, start, stop], segment) => {
    const last = figure.order.slice(start, stop).findLastIndex((rows) => rows.length) + start;
    if (last < start) return [];
    const text = { text: verbatim(model), x: figure.at[last], y: figure.values[0][last], xref: "x", yref: "y" };
    return [{ ...text, showarrow: false, yshift: 16, font: { size: 12, color: among(figure.columns.models.length, segment) } }];
  });
  return { ...common, xaxis: { ...common.xaxis, ...bare, range: range(sides[0], room.panel) }, yaxis: { ...common.yaxis, ...bare, range: range(sides[1], room.height) }, annotations: ends };
}

// As much of what is measured as there is room for; the caption says it all.
const fitting = (figure, pixels) => verbatim([measured(figure), figure.label, figure.unit].find((text) => text.length * LETTER < pixels) ?? "");

const measured = (figure) => figure.label + (figure.unit ? `, ${figure.unit}` : "");

// A line between the models of an axis, and their names on the far side.
const separators = (side, along, heat) =>
  side.models.slice(1).map(([, start]) => ({
    type: "line",
    xref: along === "x" ? "x" : "paper",
    yref: along === "x" ? "paper" : "y",
    ...(along === "x" ? { x0: start - 0.5, x1: start - 0.5, y0: 0, y1: 1 } : { y0: start - 0.5, y1: start - 0.5, x0: 0, x1: 1 }),
    line: { color: heat ? "#ffffff" : colour("--muted"), width: 1 },
  }));

function named(side, along) {
  if (side.models.length < 2) return [];
  const common = { showarrow: false, font: { size: 12 } };
  return side.models.map(([model, start, stop]) =>
    along === "x"
      ? { ...common, text: verbatim(model), x: (start + stop - 1) / 2, xref: "x", y: 1, yref: "paper", yanchor: "bottom" }
      : { ...common, text: verbatim(model), y: (start + stop - 1) / 2, yref: "y", x: 1, xref: "paper", xanchor: "left", textangle: 90 },
  );
}

// From the least to the greatest value with its error, and a little more.
function extent(figure) {
  if (figure.range) return figure.range; // one for several figures
  let [least, most] = [Infinity, -Infinity];
  figure.values.forEach((row, r) =>
    row.forEach((value, c) => {
      if (!Number.isFinite(value)) return;
      const [below, above] = edges(figure, r, c);
      [least, most] = [Math.min(least, below), Math.max(most, above)];
    }),
  );
  if (least > most) return [0, 1];
  if (!figure.log && least >= 0 && (figure.kind === "points" || least < most / 2)) return [0, most * 1.06 || 1];
  const more = (most - least) * 0.06 || 1;
  return [least - more, most + more];
}

// A value less and plus its error; on a logarithmic scale, what reaches zero ends at the value.
function edges(figure, row, column) {
  const [value, error] = [figure.values[row][column], errorAt(figure, row, column) ?? 0];
  return [shown(figure, figure.log && error >= value ? value : value - error), shown(figure, value + error)];
}

function errorAt(figure, row, column) {
  const error = figure.errors === null ? NaN : figure.errors[row][column];
  return Number.isFinite(error) ? error : null;
}

// The heads of a layer stand side by side, in the order of their values.
function spread(figure) {
  const { values } = figure;
  figure.order = figure.columns.names.map((_, column) => {
    const present = values.map((_, row) => row).filter((row) => Number.isFinite(values[row][column]));
    return present.sort((a, b) => values[a][column] - values[b][column]);
  });
  figure.offset = (row, column) => {
    const order = figure.order[column];
    return order.length > 1 ? (order.indexOf(row) / (order.length - 1) - 0.5) * 0.64 : 0;
  };
}

function heatmapTraces(figure, room) {
  const [zmin, zmax] = figure.scale;
  const x = 1 + (figure.rows.models.length > 1 ? 26 : 8) / room.panel;
  const bar = { thickness: 10, outlinewidth: 0, len: room.height, lenmode: "pixels", x, xpad: 0, ypad: 0, ...LINES(), ...decades(figure, figure.scale) };
  const light = figure.light ? ` (${figure.light})` : "";
  const title = { text: room.narrow ? light : fitting(figure, room.height - light.length * LETTER) + light, side: "right", font: { size: 12 } };
  const z = figure.log ? figure.values.map((row) => row.map(Math.log10)) : figure.values;
  return [
    { type: "heatmap", z, zmin, zmax, colorscale: MAGMA, reversescale: Boolean(figure.light), hoverinfo: "skip", colorbar: { ...bar, title } },
  ];
}

function pointTraces(figure) {
  const [x, y, error] = [[], [], []];
  figure.order.forEach((rows, column) => {
    for (const row of rows) {
      x.push(column + figure.offset(row, column));
      y.push(figure.values[row][column]);
      error.push(errorAt(figure, row, column) ?? 0);
    }
    [x, y, error].forEach((list) => list.push(null)); // the line ends with its layer
  });
  const ink = colour("--accent");
  const bars = { type: "data", array: error, color: ink, thickness: 1, width: 0 };
  const style = { marker: { size: 6, color: ink }, line: { width: 1, color: colour("--faint") }, hoverinfo: "skip" };
  return [{ type: "scatter", mode: "lines+markers", x, y, error_y: bars, connectgaps: false, ...style }];
}

const DASHES = ["solid", "dash", "dot"];
const FEW = 4; // lines that have bands and dashes
const DENSE = 40; // points of a line that would hide it

// How many colours the lines have: each its own, or as their strokes say, where several share one.
const colours = (figure) => (figure.strokes ? 1 + Math.max(...figure.strokes.map((stroke) => stroke.colour ?? 0)) : figure.values.length);

// One line has the page's accent; several go through magma, as far as the paper's colour lets them be seen.
function ink(figure, row) {
  const own = figure.strokes ? figure.strokes[row].colour : row;
  return own === null ? colour("--muted") : among(colours(figure), own);
}

function among(count, row) {
  if (count === 1) return colour("--accent");
  const [first, last] = ["--first", "--last"].map((name) => Number(colour(name)));
  return MAGMA[Math.round((MAGMA.length - 1) * (first + ((last - first) * row) / (count - 1)))][1];
}

const dash = (figure, row) => figure.strokes?.[row].dash ?? (figure.values.length <= FEW ? DASHES[row % DASHES.length] : "solid");

function curveTraces(figure) {
  const few = colours(figure) <= FEW;
  return figure.columns.models.flatMap(([, start, stop]) =>
    figure.values.flatMap((values, row) => {
      const stroke = figure.strokes?.[row]; // a line that says which columns are its own passes over the others
      const columns = stroke?.columns ?? Array.from({ length: stop - start }, (_, i) => start + i);
      const bare = stroke?.colour === null;
      const x = columns.map((column) => along(figure, column));
      const at = (side) => columns.map((column) => edges(figure, row, column)[side]);
      const its = ink(figure, row);
      const edge = { type: "scatter", mode: "lines", x, line: { width: 0 }, hoverinfo: "skip" };
      const band = figure.values.length === 1 ? colour("--band") : `${its}2e`;
      return [
        ...(few && figure.errors && !bare ? [{ ...edge, y: at(0) }, { ...edge, y: at(1), fill: "tonexty", fillcolor: band }] : []),
        {
          ...edge,
          y: columns.map((column) => shown(figure, values[column])),
          mode: bare || columns.length > DENSE ? "lines" : "lines+markers",
          line: { color: its, width: bare ? 1 : 1.5, dash: dash(figure, row) },
          marker: { size: 5, color: its },
        },
      ];
    }),
  );
}

function pathTraces(figure) {
  const models = figure.columns.models;
  return models.map(([, start, stop], segment) => {
    const columns = Array.from({ length: stop - start }, (_, i) => start + i).filter((column) => figure.order[column].length);
    const its = among(models.length, segment);
    const last = columns.length - 1;
    const symbol = columns.map((_, i) => (i === last ? "square" : "circle"));
    const size = columns.map((_, i) => (i === 0 || i === last ? 10 : 5));
    const fill = columns.map((_, i) => (i === 0 ? colour("--paper") : its)); // the first is a ring
    const marker = { color: fill, symbol, size, opacity: 1, line: { color: its, width: 1.5 } };
    const style = { line: { color: its, width: 1.5 }, marker, hoverinfo: "skip" };
    return { type: "scatter", mode: "lines+markers", x: columns.map((c) => figure.at[c]), y: columns.map((c) => figure.values[0][c]), ...style };
  });
}

// The colours of the lines, beside their names.
function legend(node, figure) {
  for (const item of node.parentElement.querySelectorAll(".legend > li")) {
    const row = Number(item.dataset.row);
    item.style.setProperty("--line", ink(figure, row));
    item.style.setProperty("--dash", { solid: "solid", dash: "dashed", dot: "dotted" }[dash(figure, row)]);
  }
}

const TRACES = { heatmap: heatmapTraces, points: pointTraces, curve: curveTraces, maps: mapTraces, path: pathTraces };

const LAYOUTS = { maps: mapsLayout, path: pathLayout };

function draw(node, figure, width) {
  if (!figure.ready) {
    figure.values = unpacked(figure.values);
    figure.errors = unpacked(figure.errors);
    if (figure.kind !== "maps") spread(figure);
    figure.ready = true;
  }
  figure.room = frame(figure, width);
  node.style.width = `${figure.room.left + figure.room.panel + figure.room.right}px`;
  if (figure.kind === "curve") legend(node, figure);
  const traces = TRACES[figure.kind](figure, figure.room);
  const laid = (LAYOUTS[figure.kind] ?? layout)(figure, figure.room);
  const config = { displayModeBar: false, responsive: false, doubleClick: "reset", showTips: false };
  return Plotly.react(node, traces, laid, config);
}
