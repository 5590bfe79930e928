/** A strict parser of the Prometheus text format 0.0.4 that also checks promtool's rules for names and histograms. */

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly name: string;
  help?: string;
  type?: string;
  readonly series: Series[];
}

export interface ParsedExposition {
  readonly families: ReadonlyMap<string, Family>;
  /** Every violation, one sentence each. */
  readonly problems: readonly string[];
}

const types: readonly string[] = ["counter", "gauge", "histogram"];
/** Units that are not base units: Prometheus requires seconds, bytes, and ratios from 0 to 1. */
const badUnits =
  /_(ms|milliseconds?|us|microseconds?|minutes?|hours?|days?|kb|kib|kilobytes|mb|mib|megabytes|percent)(_|$)/;

export function readExposition(text: string): ParsedExposition {
  const families = new Map<string, Family>();
  const problems: string[] = [];
  const wrong = (what: string) => void problems.push(what);
  let current: Family | undefined;
  const enter = (name: string): Family => {
    if (current?.name === name) return current;
    if (families.has(name)) wrong(`${name} appears in two places`);
    current = families.get(name) ?? { name, series: [] };
    families.set(name, current);
    return current;
  };

  if (!text.endsWith("\n")) wrong("the last line has no line feed");
  for (const line of text.split("\n").slice(0, -1)) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment) {
      const [, kind = "", name = "", rest = ""] = comment;
      const family = enter(name);
      if (family.series.length > 0) wrong(`${kind} of ${name} comes after its samples`);
      if (kind === "HELP") {
        if (family.help !== undefined) wrong(`${name} has two HELP lines`);
        if (rest.trim() === "" || /\\(?![\\n])/.test(rest))
          wrong(`HELP of ${name} is empty or badly escaped`);
        family.help = rest;
      } else {
        if (family.type !== undefined) wrong(`${name} has two TYPE lines`);
        if (family.help === undefined) wrong(`${name} has no HELP before its TYPE`);
        if (!types.includes(rest)) wrong(`${name} has the unknown type ${rest}`);
        family.type = rest;
      }
      continue;
    }
    const series = seriesIn(line);
    if (!series) {
      wrong(`malformed sample: ${line}`);
      continue;
    }
    const family = enter(familyNameOf(series.name, families));
    if (family.type === undefined) wrong(`${series.name} has no TYPE before it`);
    family.series.push(series);
  }
  for (const family of families.values()) problems.push(...problemsOf(family));
  return { families, problems };
}

/** "a_bucket" belongs to the histogram "a". */
function familyNameOf(name: string, families: ReadonlyMap<string, Family>): string {
  const base = name.replace(/_(bucket|sum|count)$/, "");
  return families.get(base)?.type === "histogram" ? base : name;
}

function seriesIn(line: string): Series | undefined {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (!match) return undefined;
  const [, name = "", inside = "", number = ""] = match;
  const labels: Record<string, string> = {};
  let rest = inside;
  while (rest !== "") {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/.exec(rest);
    if (!label || (label[1] ?? "").startsWith("__") || (label[1] ?? "") in labels) return undefined;
    labels[label[1] ?? ""] = label[2] ?? "";
    rest = rest.slice(label[0].length);
    if (label[3] === "," && rest === "") return undefined;
  }
  const value = /^[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)$|^NaN$/.test(number)
    ? Number(number.replace("Inf", "Infinity"))
    : undefined;
  return value === undefined ? undefined : { name, labels, value };
}

function problemsOf({ name, help, type, series }: Family): string[] {
  const problems: string[] = [];
  if (help === undefined || type === undefined) problems.push(`${name} lacks HELP or TYPE`);
  if (name !== name.toLowerCase() || name.includes(":")) problems.push(`${name} is not snake_case`);
  if (badUnits.test(name)) problems.push(`${name} is not in base units`);
  if ((type === "counter") !== name.endsWith("_total"))
    problems.push(`${name} is a ${type}, which its suffix contradicts`);
  if (/_(counter|gauge|histogram)(_|$)/.test(name)) problems.push(`${name} names its type`);
  const keys = series.map(({ name: full, labels }) => `${full} ${keyOf(labels)}`);
  for (const key of new Set(keys.filter((key, index) => keys.indexOf(key) !== index))) {
    problems.push(`${key} appears twice`);
  }
  const shapes = new Set(series.map(({ labels }) => Object.keys(without(labels, "le")).toSorted().join()));
  if (shapes.size > 1) problems.push(`${name} has samples with different labels`);
  for (const { labels, value } of series) {
    if (type === "counter" && !(value >= 0 && Number.isFinite(value)))
      problems.push(`${name} counts ${value}`);
    if (type !== "histogram" && "le" in labels) problems.push(`${name} uses the label le`);
  }
  return type === "histogram" ? [...problems, ...histogramProblems(name, series)] : problems;
}

function histogramProblems(name: string, series: readonly Series[]): string[] {
  const problems: string[] = [];
  for (const key of new Set(series.map(({ labels }) => keyOf(without(labels, "le"))))) {
    const own = series.filter(({ labels }) => keyOf(without(labels, "le")) === key);
    const buckets = own.filter((each) => each.name === `${name}_bucket`);
    const edges = buckets.map(({ labels }) => Number(labels["le"]?.replace("Inf", "Infinity")));
    const counts = buckets.map(({ value }) => value);
    const count = own.filter((each) => each.name === `${name}_count`);
    const sum = own.filter((each) => each.name === `${name}_sum`);
    const label = `${name} ${key}`;
    if (own.length !== buckets.length + 2 || count.length !== 1 || sum.length !== 1)
      problems.push(`${label} needs buckets, one sum and one count`);
    if (edges.some((edge, index) => Number.isNaN(edge) || edge <= (edges[index - 1] ?? -Infinity)))
      problems.push(`${label} has bucket bounds that do not increase`);
    if (counts.some((value, index) => value < (counts[index - 1] ?? 0)))
      problems.push(`${label} is not cumulative`);
    if (edges.at(-1) !== Infinity || counts.at(-1) !== count[0]?.value)
      problems.push(`${label} does not end with +Inf and its count`);
  }
  return problems;
}

function without(labels: Series["labels"], name: string): Series["labels"] {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => key !== name));
}

function keyOf(labels: Series["labels"]): string {
  return JSON.stringify(Object.entries(labels).toSorted());
}
