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

/** The problems of one configuration. The caller prints them and exits with 2, or responds with 422. */
export interface ConfigError {
  readonly kind: "invalid";
  /** The first {@link maxProblems}. */
  readonly problems: readonly Problem[];
  /** How many more there are. */
  readonly omitted: number;
}

/** More than people read. Only these are described, because a file may have a hundred thousand of them. */
export const maxProblems = 50;

/** @param omitted how many more there are beside those given */
export function configError(problems: readonly Problem[], omitted = 0): ConfigError {
  const shown = problems.slice(0, maxProblems);
  return { kind: "invalid", problems: shown, omitted: omitted + problems.length - shown.length };
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

/** One sentence per problem, and how many more there are. */
export function problemSentences({ problems, omitted }: ConfigError): readonly string[] {
  return withOmitted(problems.map(problemSentence), omitted);
}

/** The sentences, and one that says how many more there are. */
export function withOmitted(sentences: readonly string[], omitted: number): readonly string[] {
  return omitted === 0
    ? sentences
    : [...sentences, `And ${omitted} more ${omitted === 1 ? "problem" : "problems"}.`];
}

/** One line per problem. */
export function describeConfigError(error: ConfigError): string {
  return problemSentences(error).join("\n");
}

/** "pools.main.upstreams[2].weight" */
export function nameOf(path: Path): string {
  return path
    .map(shortened)
    .map((key, index) => (/^\d+$/.test(key) ? `[${key}]` : index === 0 ? key : `.${key}`))
    .join("");
}

const maxQuotedLength = 100;

function shortened(text: string): string {
  return text.length > maxQuotedLength ? `${text.slice(0, maxQuotedLength)}…` : text;
}

/** Renders a received value for a message: short, on one line, and without the password of a URL. */
export function quote(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return Object.keys(value).length === 0 ? "an empty map" : "a map";
  if (typeof value !== "string") return String(value);
  const masked = value.replace(/\/\/[^/]*@/g, "//***@");
  return JSON.stringify(shortened(masked));
}

/** The known word that needs the fewest edits, to suggest it for a misspelt key or name; undefined if none is close. */
export function closestWord(word: string, known: readonly string[]): string | undefined {
  if (word.length > maxWordLength) return undefined;
  const wanted = plain(word);
  const most = Math.max(1, Math.floor(word.length * 0.4));
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  for (const candidate of known.slice(0, maxCandidates)) {
    const other = plain(candidate);
    // Each letter more or less is an edit.
    if (Math.abs(other.length - wanted.length) > most) continue;
    const distance = distanceBetween(wanted, other);
    if (distance <= most && (!best || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate;
}

/** The longest list of names in a message. */
const maxListed = 20;

/** Names in a message: "a, b and 3 more". */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, maxListed).join(", ");
  return names.length > maxListed ? `${shown} and ${names.length - maxListed} more` : shown;
}

/** Longer words are no misspelt names. The cost of a comparison is the product of both lengths. */
const maxWordLength = 64;

/** How many known words are compared: a file may have thousands of pools. */
const maxCandidates = 200;

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
