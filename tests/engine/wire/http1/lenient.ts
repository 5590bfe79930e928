/** A lenient HTTP parser with every way to read framing that was found in some server. */

/** How a careless server reads. */
export interface Habits {
  readonly name: string;
  /** Accepts LF alone as the end of a line. */
  readonly bareLf?: boolean;
  /** Accepts CR alone as the end of a line. */
  readonly bareCr?: boolean;
  /** Content-Length wins over Transfer-Encoding. */
  readonly lengthWins?: boolean;
  /** The last of several lengths counts, else the first. */
  readonly lastLength?: boolean;
  /** Any Transfer-Encoding that contains "chunked" is chunked. */
  readonly sloppyChunked?: boolean;
  /** Accepts header names with whitespace before the colon. */
  readonly trimsNames?: boolean;
  /** Reads folded lines as a part of the previous value. */
  readonly unfolds?: boolean;
  /** Ignores the body of a GET. */
  readonly ignoresGetBody?: boolean;
}

export const careless: readonly Habits[] = [
  { name: "none" },
  { name: "bare LF", bareLf: true },
  { name: "bare CR", bareLf: true, bareCr: true },
  { name: "length wins", lengthWins: true, bareLf: true },
  { name: "last length", lastLength: true, trimsNames: true },
  { name: "sloppy chunked", sloppyChunked: true, trimsNames: true, bareLf: true, unfolds: true },
  {
    name: "sloppy without chunks",
    trimsNames: true,
    bareLf: true,
    unfolds: true,
    lengthWins: true,
    lastLength: true,
  },
];

/** The number of requests that start in these bytes. */
export function countRequests(bytes: Buffer, habits: Habits): number {
  const text = bytes.toString("latin1");
  let at = 0;
  let count = 0;
  while (at < text.length) {
    const head = headAt(text, at, habits);
    count += 1;
    if (!head) return count;
    at = bodyEnd(text, head, habits);
  }
  return count;
}

interface LenientHead {
  readonly end: number;
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
}

function lineAt(
  text: string,
  at: number,
  { bareLf, bareCr }: Habits,
): { line: string; next: number } | undefined {
  const ends = [
    text.indexOf("\r\n", at),
    bareLf ? text.indexOf("\n", at) : -1,
    bareCr ? text.indexOf("\r", at) : -1,
  ];
  const found = ends.filter((end) => end >= 0);
  if (found.length === 0) return undefined;
  const end = Math.min(...found);
  const length = text.startsWith("\r\n", end) ? 2 : 1;
  return { line: text.slice(at, end), next: end + length };
}

function headAt(text: string, start: number, habits: Habits): LenientHead | undefined {
  const headers: Array<[string, string]> = [];
  let at = start;
  for (let first = true; ; first = false) {
    const found = lineAt(text, at, habits);
    if (!found) return undefined;
    at = found.next;
    if (found.line === "") {
      if (first) continue;
      return { end: at, headers };
    }
    const last = headers.at(-1);
    if (habits.unfolds && /^[ \t]/.test(found.line) && last) last[1] += ` ${found.line.trim()}`;
    const colon = found.line.indexOf(":");
    if (colon < 0) continue;
    const name = found.line.slice(0, colon);
    headers.push([
      (habits.trimsNames ? name.trim() : name).toLowerCase(),
      found.line.slice(colon + 1).trim(),
    ]);
  }
}

function bodyEnd(text: string, head: LenientHead, habits: Habits): number {
  const all = (name: string) =>
    head.headers.filter(([key]) => key === name).map(([, value]) => value.toLowerCase());
  const lengths = all("content-length");
  const length = Number.parseInt((habits.lastLength ? lengths.at(-1) : lengths[0]) ?? "0", 10) || 0;
  const codings = all("transfer-encoding");
  const isChunked = habits.sloppyChunked
    ? codings.some((value) => value.includes("chunked"))
    : codings.at(-1) === "chunked";
  if (isChunked && !(habits.lengthWins && lengths.length > 0)) return chunksEnd(text, head.end, habits);
  return head.end + Math.max(0, length);
}

function chunksEnd(text: string, start: number, habits: Habits): number {
  let at = start;
  for (;;) {
    const size = lineAt(text, at, habits);
    if (!size) return text.length;
    const bytes = Math.max(0, Number.parseInt(size.line, 16) || 0);
    at = size.next;
    if (bytes === 0) break;
    at = lineAt(text, at + bytes, habits)?.next ?? text.length;
  }
  for (;;) {
    const trailer = lineAt(text, at, habits);
    if (!trailer) return text.length;
    at = trailer.next;
    if (trailer.line === "") return at;
  }
}
