/** Badges, bars and tiles. Badges differ in shape and text as well as in colour. */
/** @jsxImportSource @kitajs/html */

import type { Status } from "../../pool/upstream.ts";
import { nothing } from "../../wording/format.ts";
import type { StatusConcern, Tone } from "../../wording/verdict.ts";
import { markShapes } from "./tone-mark.tsx";

type Shape = "check" | "cross" | "bang" | "dots" | "down" | "pause";

const { good: check, bad: cross, warn: bang, ...others } = markShapes;
const glyphs = { check, cross, bang, ...others };

/** A mark of the size and the colour of the text beside it. */
export function Glyph({ shape }: { shape: Shape }): JSX.Element {
  const [body, cut] = glyphs[shape];
  return (
    <svg class="glyph" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path class="mark-body" d={body} />
      <path class="mark-cut" d={cut} />
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
