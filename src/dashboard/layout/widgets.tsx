/** Badges, bars and tiles. Badges differ in shape and text as well as in colour. */
/** @jsxImportSource @kitajs/html */

import type { Status } from "../../pool/upstream.ts";
import { nothing } from "../../wording/format.ts";
import type { StatusConcern, Tone } from "../../wording/verdict.ts";

type Shape = "check" | "cross" | "bang" | "dots" | "down" | "pause";

/** Strokes in a 16 × 16 view box, inside the common circle. */
const strokes: Readonly<Record<Shape, string>> = {
  check: "M4.9 8.3l2.1 2.1 4.1-4.6",
  cross: "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8",
  bang: "M8 4.5v4M8 11.3v.05",
  dots: "M5 8h.05M8 8h.05M11 8h.05",
  down: "M8 4.7v6.1M5.4 8.3 8 10.9l2.6-2.6",
  pause: "M6.4 5.5v5M9.6 5.5v5",
};

export function Glyph({ shape }: { shape: Shape }): JSX.Element {
  return (
    <svg class="glyph" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <circle cx="8" cy="8" r="7.25" />
      <path d={strokes[shape]} />
    </svg>
  );
}

export const toneShapes: Readonly<Record<Tone, Shape>> = { good: "check", warn: "bang", bad: "cross" };

interface BadgeStyle {
  readonly text: string;
  readonly tone: Tone | "calm";
  readonly shape: Shape;
}

const badgeStyles: Readonly<Record<Status, BadgeStyle>> = {
  passing: { text: "Passing", tone: "good", shape: "check" },
  checking: { text: "Checking", tone: "warn", shape: "dots" },
  failing: { text: "Failing", tone: "bad", shape: "cross" },
  ejected: { text: "Ejected", tone: "bad", shape: "cross" },
  probation: { text: "On probation", tone: "warn", shape: "dots" },
  draining: { text: "Draining", tone: "calm", shape: "down" },
  maintenance: { text: "Maintenance", tone: "calm", shape: "pause" },
};

/** A status that this version does not know is shown as is. */
export function Badge({ status }: { status: Status }): JSX.Element {
  const mark = Object.hasOwn(badgeStyles, status)
    ? badgeStyles[status]
    : ({ text: status, tone: "warn", shape: "bang" } as const);
  return (
    <span class="badge" data-tone={mark.tone}>
      <Glyph shape={mark.shape} />
      <span safe>{mark.text}</span>
    </span>
  );
}

interface BarProps {
  /** 0–1. */
  readonly part: number;
  /** In pixels. */
  readonly height: number;
  /** Position of a mark for the expected value, 0–1; 0 draws no mark. */
  readonly mark?: number;
}

/**
 * A ratio as a bar. SVG, because the content security policy forbids a width in a style attribute.
 * Hidden from screen readers: the text next to it has the same value.
 */
export function Bar({ part, height, mark = 0 }: BarProps): JSX.Element {
  const percent = (share: number) => `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`;
  // A mark extends above and below the bar.
  const [totalHeight, top] = mark > 0 ? [height + 4, 2] : [height, 0];
  const field = { y: String(top), height: String(height), rx: String(height / 2) };
  return (
    <svg class="bar" width="100%" height={String(totalHeight)} aria-hidden="true">
      <rect class="bar-rest" width="100%" {...field} />
      <rect class="bar-part" width={percent(part)} {...field} />
      {mark > 0 ? <rect class="bar-fair" x={percent(mark)} width="2" height={String(totalHeight)} /> : ""}
    </svg>
  );
}

interface TileProps {
  readonly name: string;
  /** Undefined before the first snapshot. */
  readonly value: string | undefined;
  readonly note: string;
  readonly concern?: StatusConcern;
  /** A sparkline of the last minute. */
  readonly spark?: JSX.Element;
}

/** One number with its name, a note and a sparkline. */
export function Tile({ name, value, note, concern = "none", spark = "" }: TileProps): JSX.Element {
  return (
    <div class="tile">
      <dt safe>{name}</dt>
      <dd class="figure" data-concern={concern} safe>
        {value ?? nothing}
      </dd>
      <dd class="sub" safe>
        {value === undefined ? "no data" : note}
      </dd>
      <dd class="spark-slot">{spark}</dd>
    </div>
  );
}
