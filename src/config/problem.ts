/** What an operator got wrong, as a value: collected everywhere, printed in one way, never thrown. */

/** Where a value stands in the configuration: keys, and positions in lists as digits. */
export type Path = readonly string[];

export interface SourceLocation {
  readonly file: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
}

export interface Problem {
  /** What cannot be done: "use --port", "read the configuration". */
  readonly action: string;
  /** Where the configuration file says so; undefined for flags and variables. */
  readonly place?: SourceLocation;
  /** "it needs a whole number from 0 to 65535" */
  readonly why: string;
  /** The value received, quoted already and with secrets masked; undefined where `why` names it. */
  readonly received?: string;
}

/** Everything that is wrong, at once; the caller prints it and exits with 2, or answers 422. */
export interface ConfigError {
  readonly kind: "invalid";
  readonly problems: readonly Problem[];
}

export function configError(problems: readonly Problem[]): ConfigError {
  return { kind: "invalid", problems };
}

/** "Cannot use --port: it needs a whole number from 0 to 65535, received "http"" */
export function problemSentence({ action, place, why, received }: Problem): string {
  const at = place ? ` at ${place.file}:${place.line}:${place.column}` : "";
  return `Cannot ${action}${at}: ${why}${received === undefined ? "" : `, received ${received}`}`;
}

/** One line for each problem. */
export function describeConfigError({ problems }: ConfigError): string {
  return problems.map(problemSentence).join("\n");
}

/** "pools.main.upstreams[2].weight" */
export function nameOf(path: Path): string {
  return path.map((key, index) => (/^\d+$/.test(key) ? `[${key}]` : index === 0 ? key : `.${key}`)).join("");
}

const longest = 100;

/** A received value for people: short, on one line, and without the password of a URL. */
export function quote(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return Object.keys(value).length === 0 ? "an empty map" : "a map";
  if (typeof value !== "string") return String(value);
  const masked = value.replace(/\/\/[^/]*@/g, "//***@");
  return JSON.stringify(masked.length > longest ? `${masked.slice(0, longest)}…` : masked);
}

// Finds the word that was meant, for messages about misspelt keys and names.

/** The known word that needs the fewest typing corrections; undefined if none is close. */
export function closestWord(word: string, known: readonly string[]): string | undefined {
  const scored = known.map((candidate) => ({
    candidate,
    distance: distanceBetween(plain(word), plain(candidate)),
  }));
  const best = scored.reduce<(typeof scored)[number] | undefined>(
    (least, next) => (!least || next.distance < least.distance ? next : least),
    undefined,
  );
  return best && best.distance <= Math.max(1, Math.floor(word.length * 0.4)) ? best.candidate : undefined;
}

/** drain-timeout, drain_timeout and drainTimeout are one word spelt in three ways. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}

/** Insertions, removals, replacements and swaps of neighbours. Source: optimal string alignment (Damerau 1964). */
function distanceBetween(left: string, right: string): number {
  let [before, previous]: [number[], number[]] = [[], Array.from({ length: right.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1];
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      row[j] = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (before[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    [before, previous] = [previous, row];
  }
  return previous[right.length] ?? 0;
}
