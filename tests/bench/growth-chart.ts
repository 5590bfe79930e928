/** Draws curves of growth as one SVG, legible on light and on dark pages. */

import { median } from "./figures.ts";
import type { Curve, CurvePoint } from "./growth-verdict.ts";

const [panelWidth, panelHeight, columns] = [380, 230, 2];
const margin = { left: 52, right: 16, top: 34, bottom: 44 };
const [plotWidth, plotHeight] = [
  panelWidth - margin.left - margin.right,
  panelHeight - margin.top - margin.bottom,
];

/** Of the label of the last tick. */
const overhang = 16;

const style = `text { font: 12px system-ui, sans-serif; fill: #374151; }
.title { font-weight: 600; fill: #111827; }
.axis { stroke: #9ca3af; } .grid { stroke: #9ca3af; stroke-opacity: 0.3; }
.curve { fill: none; stroke: #0f766e; stroke-width: 2; } .spread { stroke: #0f766e; stroke-opacity: 0.5; }
circle { fill: #0f766e; }
@media (prefers-color-scheme: dark) {
text { fill: #d1d5db; } .title { fill: #f9fafb; }
.curve, .spread { stroke: #2dd4bf; } circle { fill: #2dd4bf; }
}`;

/** @param caption what was measured, below the curves */
export function drawCurves(curves: readonly Curve[], caption: string): string {
  const height = Math.ceil(curves.length / columns) * panelHeight + 28;
  const panels = curves.map((curve, index) => {
    const [x, y] = [(index % columns) * panelWidth, Math.floor(index / columns) * panelHeight];
    return `<g transform="translate(${x} ${y})">\n${panel(curve)}\n</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${columns * panelWidth + overhang} ${height}" role="img">
<title>CPU microseconds of a request</title>
<style>${style}</style>
${panels.join("\n")}
<text x="${margin.left}" y="${height - 10}">${escaped(caption)}</text>
</svg>
`;
}

function panel({ title, axis, points }: Curve): string {
  const xOf = logScale(
    points.map(({ x }) => x),
    plotWidth,
  );
  const highest = Math.max(...points.flatMap(({ costs }) => costs));
  const lowest = Math.min(...points.flatMap(({ costs }) => costs));
  // A cost that grows a hundredfold, as with bodies, has no room on a linear axis.
  const isLog = highest > 20 * lowest;
  const top = isLog ? 10 ** Math.ceil(Math.log10(highest)) : roundUp(highest);
  const bottom = isLog ? 10 ** Math.floor(Math.log10(lowest)) : 0;
  const logY = logScale([bottom, top], plotHeight);
  const yOf = (cost: number) => plotHeight - (isLog ? logY(cost) : (cost / top) * plotHeight);
  const yTicks = isLog ? decades(bottom, top) : [0, top / 2, top];
  const plot = [
    ...yTicks.map((tick) => horizontal(yOf(tick), short(tick))),
    `<line class="axis" x1="0" y1="${plotHeight}" x2="${plotWidth}" y2="${plotHeight}"/>`,
    ...xTicks(points).map((tick) => label(xOf(tick), plotHeight + 16, short(tick))),
    label(plotWidth / 2, plotHeight + 34, axis),
    ...points.map((point) => spread(point, xOf(point.x), yOf)),
    `<polyline class="curve" points="${points.map(({ x, costs }) => `${at(xOf(x))},${at(yOf(median(costs)))}`).join(" ")}"/>`,
    ...points.map(({ x, costs }) => `<circle cx="${at(xOf(x))}" cy="${at(yOf(median(costs)))}" r="3"/>`),
  ];
  return [
    `<text class="title" x="${margin.left}" y="18">${escaped(title)}</text>`,
    `<text x="${margin.left - 8}" y="18" text-anchor="end">µs</text>`,
    `<g transform="translate(${margin.left} ${margin.top})">`,
    ...plot,
    "</g>",
  ].join("\n");
}

/** From 0 to `length`; 0 itself has a place one decade in front of the first other value. */
function logScale(values: readonly number[], length: number): (value: number) => number {
  const positive = values.filter((value) => value > 0);
  const zeroAt = Math.log10(Math.min(...positive)) - 1;
  const logOf = (value: number) => (value > 0 ? Math.log10(value) : zeroAt);
  const [from, to] = [Math.min(...values.map(logOf)), Math.max(...values.map(logOf))];
  return (value) => (to > from ? ((logOf(value) - from) / (to - from)) * length : length / 2);
}

/** The first and the last value, and decades between them. */
function xTicks(points: readonly CurvePoint[]): readonly number[] {
  const values = points.map(({ x }) => x);
  const [first = 0, last = 0] = [values[0], values.at(-1)];
  const start = values.find((value) => value > 0) ?? 1;
  const inner = decades(start, last).filter((tick) => tick > start * 2 && tick < last / 2);
  return [...new Set([first, ...inner, last])];
}

function decades(from: number, to: number): readonly number[] {
  const first = Math.ceil(Math.log10(from));
  return Array.from({ length: Math.floor(Math.log10(to)) - first + 1 }, (_, index) => 10 ** (first + index));
}

function roundUp(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 6, 8, 10].find((step) => step * unit >= value) ?? 10) * unit;
}

function horizontal(y: number, text: string): string {
  return `<line class="grid" x1="0" y1="${at(y)}" x2="${plotWidth}" y2="${at(y)}"/>
<text x="-8" y="${at(y + 4)}" text-anchor="end">${text}</text>`;
}

const label = (x: number, y: number, text: string) =>
  `<text x="${at(x)}" y="${at(y)}" text-anchor="middle">${escaped(text)}</text>`;

function spread({ costs }: CurvePoint, x: number, yOf: (cost: number) => number): string {
  const [low, high] = [yOf(Math.min(...costs)), yOf(Math.max(...costs))];
  return `<line class="spread" x1="${at(x)}" y1="${at(low)}" x2="${at(x)}" y2="${at(high)}"/>`;
}

/** "3k", "16M" */
function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(1))}M`;
  return value >= 1e3 ? `${Number((value / 1e3).toFixed(1))}k` : String(value);
}

const at = (value: number) => Number(value.toFixed(1));

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
