// Draws a chart anew from its table, so that it can be read off and zoomed into. The table
// is the truth: what scripts draw and what people read are the same numbers.
import uPlot from "uplot/dist/uPlot.esm.js";

const HEIGHT = 230;
const DAY = 86_400;
const bars = uPlot.paths.bars({ size: [0.8, 60], align: 1 });
const STEPS = [1, 2, 5, 10, 20, 50].flatMap((step) => [step, step * 100, step * 10_000]).sort((a, b) => a - b);

// A colour written as light-dark(…) is only resolved where something is painted with it.
function painted(figure, series) {
  return getComputedStyle(figure.closest("section").querySelector(`.swatch .series-${series}`)).fill;
}

// Each column on top of those before it; drawn from the highest, so that none hides another.
function stacked(columns) {
  let below = columns[0].values.map(() => 0);
  return columns.map((column) => {
    below = column.values.map((value, index) => value + below[index]);
    return { ...column, heights: below };
  });
}

function dated(self, splits) {
  const short = splits.length > 1 && splits[1] - splits[0] < DAY;
  return splits.map((seconds) => {
    const [day, time] = new Date(seconds * 1000).toISOString().split("T");
    return short && seconds % DAY ? time.slice(0, 5) : day.slice(5);
  });
}

function numbersOf(table) {
  const rows = [...table.tBodies[0].rows];
  const at = rows.map((row) => Date.parse(row.cells[0].dataset.at) / 1000);
  const heads = [...table.tHead.rows[0].cells].slice(1);
  const columns = heads.map((head, index) => ({
    name: head.dataset.series,
    label: head.textContent,
    values: rows.map((row) => Number(row.cells[index + 1].textContent.replaceAll(",", ""))),
  }));
  return { at, columns: columns.filter((column) => column.values.some(Boolean)) };
}

function draw(figure) {
  const table = figure.parentElement.querySelector(".numbers");
  const { at, columns } = numbersOf(table);
  if (at.length < 2 || at.some(Number.isNaN)) return undefined;
  const ink = getComputedStyle(figure.querySelector(".chart-axis")).color;
  const line = getComputedStyle(figure.closest(".panel")).borderTopColor;
  const drawn = stacked(columns).reverse();
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui" };
  const holder = document.createElement("div");
  const plot = new uPlot(
    {
      width: Math.max(280, figure.clientWidth - 32),
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      // The last bar stands to the right of its beginning: there has to be room for it.
      scales: {
        x: { range: (self, low, high) => [low, high === at.at(-1) ? high + at[1] - at[0] : high] },
        y: { range: (self, low, high) => [0, Math.max(1, high * 1.05)] },
      },
      axes: [{ ...axis, values: dated, space: 70 }, { ...axis, incrs: STEPS, size: 56 }],
      series: [
        { label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}" },
        ...drawn.map(({ name, label, values }) => ({
          label,
          fill: painted(figure, name),
          width: 0,
          paths: bars,
          points: { show: false },
          value: (self, height, series, index) => (index === null ? "–" : values[index]),
        })),
      ],
    },
    [at, ...drawn.map(({ heights }) => heights)],
    holder,
  );
  return { holder, plot };
}

function show(figure) {
  const drawn = draw(figure);
  if (!drawn) return;
  figure.querySelector("[data-drawn]")?.remove();
  drawn.holder.dataset.drawn = "";
  for (const element of figure.querySelectorAll(":scope > svg, .chart-axis, [data-still]")) element.toggleAttribute("hidden", true);
  // The legend below the drawing tells the numbers too.
  figure.closest("section").querySelector(".legend").classList.add("visually-hidden");
  figure.append(drawn.holder);
}

for (const figure of document.querySelectorAll("[data-chart=series]")) {
  show(figure);
  let width = figure.clientWidth;
  new ResizeObserver(() => {
    if (figure.clientWidth !== width) show(figure);
    width = figure.clientWidth;
  }).observe(figure);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(figure));
}
