/** The card of what was sent: one line for each change of a problem, with what became of it at each receiver. */
/** @jsxImportSource @kitajs/html */

import type { SentAlert } from "../../alerts/alerts-snapshot.ts";
import { changeText, deliveryText } from "../../wording/alert-words.ts";
import { formatTime, isoTime } from "../../wording/format.ts";
import { Glyph } from "../layout/widgets.tsx";

/** More of them are in the API. */
const maxLines = 30;

const dayMs = 86_400_000;

interface SentProps {
  /** The latest first. */
  readonly sent: readonly SentAlert[];
  /** Epoch milliseconds. */
  readonly now: number;
}

export function SentCard({ sent, now }: SentProps): JSX.Element {
  const lines = linesOf(sent.filter(({ at }) => now - at < dayMs));
  return (
    <section class="card" aria-labelledby="sent-name">
      <header class="card-head">
        <h2 id="sent-name">Sent</h2>
        <p class="quiet">last 24 hours</p>
      </header>
      {lines.length === 0 ? (
        <p class="empty">Nothing in the last 24 hours.</p>
      ) : (
        <ol class="sent-list">
          {lines.slice(0, maxLines).map((alerts) => (
            <SentLine alerts={alerts} />
          ))}
        </ol>
      )}
      {lines.length > maxLines ? (
        <p class="quiet hint" safe>{`${lines.length - maxLines} earlier ones are in GET /api/alerts.`}</p>
      ) : (
        ""
      )}
    </section>
  );
}

/** Alerts about the same change, which receivers get at the same time. */
function linesOf(sent: readonly SentAlert[]): readonly (readonly SentAlert[])[] {
  const lines = new Map<string, SentAlert[]>();
  for (const alert of sent) {
    const key = `${alert.problem.id} ${alert.type} ${alert.at}`;
    const line = lines.get(key);
    if (line) line.push(alert);
    else lines.set(key, [alert]);
  }
  return [...lines.values()];
}

const tones = { critical: "bad", warning: "warn", notice: "calm" } as const;
const shapes = { critical: "cross", warning: "bang", notice: "dots" } as const;

function SentLine({ alerts }: { readonly alerts: readonly SentAlert[] }): JSX.Element {
  const [first] = alerts;
  if (!first) return "";
  const { level, title } = first.problem;
  const isOver = first.type === "problem.closed";
  const hasArrived = alerts.every(({ state }) => state === "sent");
  return (
    <li data-tone={isOver ? "good" : (tones[level] ?? "warn")}>
      <time datetime={isoTime(first.at)} safe>
        {formatTime(first.at)}
      </time>
      <Glyph shape={isOver ? "check" : (shapes[level] ?? "bang")} />
      <span class="sent-title">
        <b safe>{`${changeText(first)}:`}</b> <span safe>{title}</span>
      </span>
      <span class={hasArrived ? "sent-to quiet" : "sent-to failing"} safe>
        {alerts
          .toReversed()
          .map((alert) => deliveryText(alert))
          .join(", ")}
      </span>
    </li>
  );
}
