/** The Prometheus text format (version 0.0.4): families in, text out. It knows no metric of ours. */

export interface Sample {
  /** Appended to the family's name: "_sum", "_count", "_bucket" of a histogram. */
  readonly suffix?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Names of the labels that each sample has, besides a histogram's `le`. */
  readonly labels: readonly string[];
  readonly samples: readonly Sample[];
}

/** Content type of {@link exposition}. */
export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

export function exposition(families: readonly Family[]): string {
  return families
    .flatMap(({ name, help, type, samples }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(({ suffix = "", labels, value }) => `${name}${suffix}${labelSet(labels)} ${value}`),
    ])
    .map((line) => `${line}\n`)
    .join("");
}

function labelSet(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}
