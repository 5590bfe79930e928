/** A mistake of the operator as a value: collected, rendered as one sentence in one place, never thrown. */

/** Position of a value in the configuration: keys, and list indexes as digits. */
export type Path = readonly string[];

export interface SourceLocation {
  readonly file: string;
  /** 1-based, like `column`. */
  readonly line: number;
  readonly column: number;
}

export interface Problem {
  /** Verb and object: "use --port", "read the configuration". */
  readonly action: string;
  /** Position in the configuration file; undefined for flags and variables. */
  readonly location?: SourceLocation;
  /** The cause: "expected a whole number from 0 to 65535". */
  readonly why: string;
  /** The value received, already quoted and with secrets masked; undefined where `why` or `action` names it. */
  readonly received?: string;
  /** The word that was probably meant. */
  readonly suggestion?: string | undefined;
}

/** All problems of one configuration. The caller prints them and exits with 2, or responds with 422. */
export interface ConfigError {
  readonly kind: "invalid";
  readonly problems: readonly Problem[];
}

export function configError(problems: readonly Problem[]): ConfigError {
  return { kind: "invalid", problems };
}

/**
 * "Cannot use --port: expected a whole number from 0 to 65535 (received "http")."
 * "Cannot use listen.prot at evenkeel.yaml:1:11: unknown key; did you mean "port"?"
 */
export function problemSentence({ action, location, why, received, suggestion }: Problem): string {
  const at = location ? ` at ${location.file}:${location.line}:${location.column}` : "";
  const sentence = `Cannot ${action}${at}: ${why}${received === undefined ? "" : ` (received ${received})`}`;
  if (suggestion !== undefined) return `${sentence}; did you mean "${suggestion}"?`;
  return /[.?!]$/.test(sentence) ? sentence : `${sentence}.`;
}

/** One line per problem. */
export function describeConfigError({ problems }: ConfigError): string {
  return problems.map(problemSentence).join("\n");
}

/** "pools.main.upstreams[2].weight" */
export function nameOf(path: Path): string {
  return path.map((key, index) => (/^\d+$/.test(key) ? `[${key}]` : index === 0 ? key : `.${key}`)).join("");
}

const maxQuotedLength = 100;

/** Renders a received value for a message: short, on one line, and without the password of a URL. */
export function quote(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return Object.keys(value).length === 0 ? "an empty map" : "a map";
  if (typeof value !== "string") return String(value);
  const masked = value.replace(/\/\/[^/]*@/g, "//***@");
  return JSON.stringify(masked.length > maxQuotedLength ? `${masked.slice(0, maxQuotedLength)}…` : masked);
}

/** The known word that needs the fewest edits, to suggest it for a misspelt key or name; undefined if none is close. */
export function closestWord(word: string, known: readonly string[]): string | undefined {
  const scored = known.map((candidate) => ({
    candidate,
    distance: distanceBetween(plain(word), plain(candidate)),
  }));
  const best = scored.reduce<(typeof scored)[number] | undefined>(
    (closest, next) => (!closest || next.distance < closest.distance ? next : closest),
    undefined,
  );
  return best && best.distance <= Math.max(1, Math.floor(word.length * 0.4)) ? best.candidate : undefined;
}

/** Makes drain-timeout, drain_timeout and drainTimeout the same word. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}

/** Counts insertions, deletions, substitutions and transpositions: optimal string alignment (Damerau 1964). */
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
