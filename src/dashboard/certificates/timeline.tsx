/** The next months as a line, with a mark where each certificate ends if nothing is done. */
/** @jsxImportSource @kitajs/html */

import { certificateName, daysLeft } from "../../wording/certificates.ts";
import { countWithNoun } from "../../wording/format.ts";
import type { MarkTone } from "../layout/tone-mark.tsx";
import { attribute } from "../responses.ts";
import type { ListedCertificate } from "./certificate-list.ts";

const shownDays = 120;
const dayMs = 86_400_000;

/** Marks nearer than this share of the line share a label. */
const minDistance = 0.1;

/** Characters of a name in a label. */
const maxName = 20;

interface TimelineProps {
  readonly certificates: readonly ListedCertificate[];
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

export function Timeline({ certificates, now }: TimelineProps): JSX.Element {
  const marks = marksOf(certificates, now);
  const days = [0, 30, 60, 90, shownDays];
  return (
    <section class="pool timeline" aria-labelledby="timeline-name">
      <header class="pool-head">
        <h2 id="timeline-name" safe>{`Next ${shownDays} days`}</h2>
        <p class="quiet">when each ends if nothing is done</p>
      </header>
      {marks.length === 0 ? (
        <p class="empty">None ends in this time.</p>
      ) : (
        <svg role="img" aria-label={attribute(`Ends: ${marks.map(({ label }) => label).join("; ")}`)}>
          <line class="timeline-base" x1="0" x2="100%" y1="58" y2="58" />
          {days.map((day) => {
            const x = percent(day / shownDays);
            return (
              <>
                <line class="timeline-day" x1={x} x2={x} y1="6" y2="58" />
                <text x={x} y="76" text-anchor={anchorAt(day / shownDays)} safe>
                  {dayLabel(day, now)}
                </text>
              </>
            );
          })}
          {marks.map(({ place, label, tone }, index) => (
            <g data-tone={tone}>
              <circle cx={percent(place)} cy="58" r="5.5" />
              <text
                class="timeline-label"
                x={percent(place)}
                y={index % 2 === 0 ? "42" : "22"}
                text-anchor={anchorAt(place)}
                safe
              >
                {label}
              </text>
            </g>
          ))}
        </svg>
      )}
    </section>
  );
}

interface TimelineMark {
  /** On the line, 0–1. */
  readonly place: number;
  readonly label: string;
  readonly tone: MarkTone;
}

/** One mark for certificates that end about the same time, in the tone of the worst. */
function marksOf(certificates: readonly ListedCertificate[], now: number): readonly TimelineMark[] {
  const inTime = certificates
    .map((each) => ({ each, place: (each.certificate.expiresAt - now) / (shownDays * dayMs) }))
    .filter(({ place }) => place >= 0 && place <= 1)
    .toSorted((one, other) => one.place - other.place);
  const groups: (typeof inTime)[] = [];
  for (const entry of inTime) {
    const group = groups.at(-1);
    if (group?.[0] && entry.place - group[0].place < minDistance) group.push(entry);
    else groups.push([entry]);
  }
  return groups.flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const name = shortName(certificateName(first.each.certificate));
    const names = group.length === 1 ? name : `${name} and ${group.length - 1} more`;
    const left = countWithNoun(daysLeft(first.each.certificate, now), "day");
    const tones = new Set(group.map(({ each }) => each.tone));
    const tone = (["bad", "warn", "calm", "good"] as const).find((one) => tones.has(one)) ?? "good";
    return [{ place: first.place, label: `${names}, ${left}`, tone }];
  });
}

function shortName(name: string): string {
  return name.length > maxName ? `${name.slice(0, maxName - 1)}…` : name;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}

/** Texts at the edges stay inside. */
function anchorAt(share: number): "start" | "middle" | "end" {
  return share < 0.08 ? "start" : share > 0.92 ? "end" : "middle";
}

const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

function dayLabel(day: number, now: number): string {
  return day === 0 ? "today" : dayFormat.format(now + day * dayMs);
}
