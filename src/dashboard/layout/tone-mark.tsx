/** Marks of a state: each has its own shape, so that colour is never the only sign. A word always stands beside it. */
/** @jsxImportSource @kitajs/html */

import type { ProblemLevel } from "../../problems/problem.ts";
import type { Tone } from "../../wording/verdict.ts";

export type MarkTone = Tone | "calm";

/** In a 16 × 16 view box. */
const circle = "M8 .75a7.25 7.25 0 1 0 0 14.5A7.25 7.25 0 0 0 8 .75Z";

const ring = `${circle}m0 1.75a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z`;

type MarkShape = MarkTone | "dots" | "down" | "pause" | "ring";

/** The filled part, and the strokes that are left out of it. */
export const markShapes: Readonly<Record<MarkShape, readonly [body: string, cut: string]>> = {
  good: [circle, "M4.9 8.3l2.1 2.1 4.1-4.6"],
  warn: ["M8 1.2 15.3 14a.8.8 0 0 1-.7 1.2H1.4A.8.8 0 0 1 .7 14Z", "M8 6v4M8 12.4v.05"],
  bad: [circle, "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"],
  calm: [circle, "M8 4.4V8l2.3 1.6"],
  dots: [circle, "M5 8h.05M8 8h.05M11 8h.05"],
  down: [circle, "M8 4.7v6.1M5.4 8.3 8 10.9l2.6-2.6"],
  pause: [circle, "M6.4 5.5v5M9.6 5.5v5"],
  ring: [ring, ""],
};

interface MarkProps {
  readonly tone: MarkTone;
  /** If it is not the usual one of the tone. */
  readonly shape?: MarkShape;
}

export function ToneMark({ tone, shape = tone }: MarkProps): JSX.Element {
  const [body, cut] = markShapes[shape];
  return (
    <svg class="mark-shape" data-tone={tone} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path class="mark-body" d={body} />
      <path class="mark-cut" d={cut} />
    </svg>
  );
}

export const levelTones: Readonly<Record<ProblemLevel, MarkTone>> = {
  critical: "bad",
  warning: "warn",
  notice: "calm",
};

export const levelWords: Readonly<Record<ProblemLevel, string>> = {
  critical: "Critical",
  warning: "Warning",
  notice: "Notice",
};

export const isLevel = (level: string): level is ProblemLevel => Object.hasOwn(levelTones, level);
