// Maps over the image, small ones side by side: axes are in pixels of the panel, so that gaps and captions are exact.
const LEAST_MAP = 96; // pixels a named map is wide
const WIDEST_MAP = 150;
const WIDEST_PANEL = 520; // of maps that stand at their tokens' places

// How many maps stand side by side, how large, and where.
function mapsFrame(figure, width) {
  const narrow = width < 560;
  const placed = figure.across > 0; // each at its token's place, and in the same colours
  const right = placed ? (narrow ? 50 : 76) : 2;
  const gap = placed ? 4 : 12;
  const whole = Math.max(80, Math.min(width - right - 2, placed ? WIDEST_PANEL : Infinity));
  const across = figure.across || Math.min(figure.names.length, 6, Math.max(2, Math.floor((whole + gap) / (LEAST_MAP + gap))));
  const [high, wide] = figure.size;
  const side = Math.min((whole - gap * (across - 1)) / across, placed ? Infinity : WIDEST_MAP);
  const [tall, below] = [(side * high) / wide, placed ? gap : 26];
  const tiles = figure.names.map((_, i) => [(i % across) * (side + gap), Math.floor(i / across) * (tall + below)]);
  const rows = Math.ceil(figure.names.length / across);
  const panel = across * (side + gap) - gap;
  const height = rows * (tall + below) - (placed ? gap : 0);
  return { left: 2, right, top: 2, bottom: 2, panel, height, narrow, tiles, side, tall, across, cell: [side / wide, tall / high] };
}

function mapTraces(figure, room) {
  const [high, wide] = figure.size;
  const [dx, dy] = room.cell;
  const bar = { thickness: 10, outlinewidth: 0, len: room.height, lenmode: "pixels", x: 1 + 8 / room.panel, xpad: 0, ypad: 0, ...LINES() };
  const title = { text: room.narrow ? "" : fitting(figure, room.height), side: "right", font: { size: 12 } };
  return figure.values.map((values, i) => {
    const z = Array.from({ length: high }, (_, row) => values.subarray(row * wide, (row + 1) * wide));
    const [[x, y], [zmin, zmax]] = [room.tiles[i], figure.scales[i]];
    const scale = { zmin, zmax, colorscale: MAGMA, showscale: figure.across > 0 && i === 0, colorbar: { ...bar, title } };
    return { type: "heatmap", z, x0: x + dx / 2, dx, y0: y + dy / 2, dy, hoverinfo: "skip", ...scale };
  });
}

function mapsLayout(figure, room) {
  const hidden = { visible: false, autorange: false };
  const most = Math.floor(room.side / 5.6);
  const caption = { showarrow: false, xref: "x", yref: "y", yanchor: "top", font: { size: 10.5 } };
  return {
    width: room.left + room.panel + room.right,
    height: room.top + room.height + room.bottom,
    margin: { l: room.left, r: room.right, t: room.top, b: room.bottom, pad: 0 },
    xaxis: { ...hidden, range: [0, room.panel] },
    yaxis: { ...hidden, range: [room.height, 0] },
    shapes: room.tiles.map(([x, y]) => ({
      ...{ type: "rect", layer: "below", xref: "x", yref: "y", line: { width: 0 }, fillcolor: UNDEFINED },
      ...{ x0: x, x1: x + room.side, y0: y, y1: y + room.tall },
    })),
    annotations: figure.across
      ? []
      : room.tiles.map(([x, y], i) => ({ ...caption, text: verbatim(shortened(short(figure.names[i]), most)), x: x + room.side / 2, y: y + room.tall })),
    font: { family: colour("--sans"), size: 12, color: colour("--ink") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: false,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    uirevision: "kept",
  };
}

// A layer's name without its model's.
const short = (name) => name.slice(name.indexOf(":") + 1);

function mapPosition(figure, map, cell) {
  const wide = figure.size[1];
  const [x, y] = figure.room.tiles[map];
  return [x + ((cell % wide) + 0.5) * figure.room.cell[0], y + (Math.floor(cell / wide) + 0.5) * figure.room.cell[1]];
}

// The cell of a map that a point is in; nothing between maps.
function mapAt(figure, [x, y]) {
  const { tiles, side, tall, cell } = figure.room;
  const map = tiles.findIndex(([left, top]) => x >= left && x < left + side && y >= top && y < top + tall);
  if (map < 0) return null;
  const [column, row] = [Math.floor((x - tiles[map][0]) / cell[0]), Math.floor((y - tiles[map][1]) / cell[1])];
  const [high, wide] = figure.size;
  return [map, Math.min(row, high - 1) * wide + Math.min(column, wide - 1)];
}

// `pixels y 8 to 11, x 4 to 7`, where a cell is the mean of several.
function mapCell(figure, cell) {
  const { side, what } = figure;
  const wide = figure.size[1];
  const from = (at) => (side > 1 ? `${at * side} to ${at * side + side - 1}` : `${at}`);
  const several = side > 1 ? (what === "patch" ? "patches" : `${what}s`) : what;
  return `${several} y ${from(Math.floor(cell / wide))}, x ${from(cell % wide)}`;
}

// Arrows go from cell to cell, and on into the map beside; page keys change the map, and Home and End go to its ends.
function mapMoved(figure, [map, cell], key) {
  const [high, wide] = figure.size;
  const { across } = figure.room;
  const last = figure.names.length - 1;
  const [row, column] = [Math.floor(cell / wide), cell % wide];
  const at = (to, y, x) => [to, y * wide + x];
  if (key === "Home" || key === "End") return [key === "Home" ? 0 : last, cell];
  if (key === "PageUp" || key === "PageDown") return [Math.max(0, Math.min(last, map + (key === "PageUp" ? -1 : 1))), cell];
  if (key === "ArrowLeft") return column > 0 ? at(map, row, column - 1) : map % across ? at(map - 1, row, wide - 1) : [map, cell];
  if (key === "ArrowUp") return row > 0 ? at(map, row - 1, column) : map >= across ? at(map - across, high - 1, column) : [map, cell];
  if (key === "ArrowDown") return row < high - 1 ? at(map, row + 1, column) : map + across <= last ? at(map + across, 0, column) : [map, cell];
  if (key !== "ArrowRight") return null;
  if (column < wide - 1) return at(map, row, column + 1);
  return (map + 1) % across && map < last ? at(map + 1, row, 0) : [map, cell];
}
