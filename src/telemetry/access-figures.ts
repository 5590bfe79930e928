/** What both forms of an access log line tell of an exchange alike, and how: reasons, times, limits. */

import type { EndedExchange } from "../proxy/record.ts";

/** Heads may be as long as they like; a method that is longer says nothing. */
export const maxMethodChars = 64;

export function reasonOf({ reason, isClientGone }: EndedExchange): string | null {
  return reason ?? (isClientGone ? "client_gone" : null);
}

/** From the start of the exchange to the head of the last attempt's answer. */
export function firstByteMs({ attempts }: EndedExchange): number | null {
  const last = attempts.at(-1);
  return last?.headMs == null ? null : last.startMs + last.headMs;
}

/** ".5", ".25", ".001"; nothing for none. */
const fractions: readonly string[] = Array.from({ length: 1_000 }, (_, micros) =>
  micros === 0 ? "" : String(micros / 1_000).slice(1),
);

/** To the microsecond, "30.5": digits below are noise, and bytes. Taken from a table, as each line has several. */
export function milliseconds(ms: number | null): string | null {
  if (ms === null) return null;
  const micros = Math.max(0, Math.round(ms * 1_000));
  const whole = Math.floor(micros / 1_000);
  return `${whole}${fractions[micros - whole * 1_000]}`;
}

/** For characters that must not stand in a line as they are. */
export function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
