/** Times: in UTC from the server, and by the script in the zone of the browser where the viewer wants that. */
/** @jsxImportSource @kitajs/html */

import { isoTime } from "../../wording/format.ts";

/** "05:54:40", "05:54", "05:54" also within a minute, "Sun 29, 05:54", "2026-11-29 05:54:40", "Sunday 29 November, 05:54", "05:54:40.123", "2026-11-29 05:54:40.123", "11-29 05:54:40" */
export type MomentForm =
  "time" | "short" | "minute" | "stamp" | "day" | "long" | "instant" | "full" | "dated";

/** A time of day alone would be ambiguous in a range as long as this. */
const dayLikeMs = 20 * 3_600_000;

/** The form of moments in lists of a range. */
export function listForm({ from, to }: { readonly from: number; readonly to: number }): MomentForm {
  return to - from > dayLikeMs ? "stamp" : "time";
}

interface MomentProps {
  readonly at: number;
  readonly form?: MomentForm;
}

export function Moment({ at, form = "time" }: MomentProps): JSX.Element {
  return (
    <time datetime={isoTime(at)} data-clock={form} safe>
      {formatMoment(at, form)}
    </time>
  );
}

/** Behind times. The script replaces it together with them. */
export function ZoneName(): JSX.Element {
  return <span data-zone-name>UTC</span>;
}

const longDay = new Intl.DateTimeFormat("en-GB", {
  weekday: "long",
  day: "numeric",
  month: "long",
  timeZone: "UTC",
});

const shortDay = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", timeZone: "UTC" });

/** In UTC. The page's script has the same forms. */
export function formatMoment(at: number, form: MomentForm): string {
  const text = isoTime(at);
  if (form === "time") return text.slice(11, 19);
  if (form === "instant") return text.slice(11, 23);
  if (form === "full") return text.slice(0, 23).replace("T", " ");
  if (form === "dated") return text.slice(5, 19).replace("T", " ");
  if (form === "minute") return text.slice(11, 16);
  if (form === "stamp") return `${shortDay.format(at).replace(",", "")}, ${text.slice(11, 16)}`;
  if (form === "day") return `${text.slice(0, 10)} ${text.slice(11, 19)}`;
  const time = text.slice(17, 19) === "00" ? text.slice(11, 16) : text.slice(11, 19);
  return form === "short" ? time : `${longDay.format(at)}, ${time}`;
}
