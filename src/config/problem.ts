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
