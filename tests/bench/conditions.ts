/** What a stranger needs to repeat a measurement: machine, versions, pinning, command lines and configurations. */

import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";

import manifest from "../../package.json" with { type: "json" };
import { maxOpenFiles } from "./limits.ts";
import type { Peer } from "./peers.ts";
import { firstLine, proxyVersions, toolVersions } from "./programs.ts";
import { loadCore, proxyCore } from "./testbed.ts";

const root = join(import.meta.dirname, "../..");

export function machine(): readonly string[] {
  const model = /model name\s+: (.*)/.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown processor";
  const load = loadavg()[0] ?? 0;
  return [
    `machine: ${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()} ${process.arch}`,
    `load before the start: ${load.toFixed(1)}${load > 0.5 ? ", so other work runs here: trust ratios only" : ""}`,
    `open files of a process: at most ${maxOpenFiles()}`,
  ];
}

/** Everything that is known before the first round. */
export function conditions(): readonly string[] {
  const commit = firstLine("git", "-C", root, "describe", "--always", "--dirty");
  return [
    ...machine(),
    `pinning: proxies on core ${proxyCore}, load and servers on core ${loadCore}, by taskset`,
    `evenkeel: ${manifest.version}, commit ${commit}`,
    `bun: ${Bun.version}`,
    ...proxyVersions(),
    ...toolVersions(),
  ];
}

/**
 * The command line and the configuration of each proxy; lists of a thousand are cut.
 * @param folder where the configurations are
 */
export function setups(peers: readonly Peer[], folder: string): string {
  const named = (text: string) =>
    text.replaceAll(folder, "<folder>").replaceAll(process.execPath, "bun").replaceAll(`${root}/`, "");
  return peers
    .map(({ name, command, file }) => {
      const line = command.map((word) => quoted(cutWord(named(word)))).join(" ");
      const text = file === undefined ? "" : `\n${cutLines(named(readFileSync(file, "utf8"))).trimEnd()}`;
      return `# ${name}\n$ ${line}${text}`;
    })
    .join("\n\n");
}

/** Of a longer list only the beginning is printed. */
const printed = 3;

function cutWord(word: string): string {
  const parts = word.split(",");
  const left = parts.length - printed;
  return left > printed ? `${parts.slice(0, printed).join(",")},… and ${left} more` : word;
}

/** Leaves out lines that differ from those in front of them only in their numbers. */
function cutLines(text: string): string {
  const result: string[] = [];
  let [shape, repeats] = ["", 0];
  const close = () => {
    if (repeats > printed) result.push(`  … and ${repeats - printed} more`);
  };
  for (const line of text.split("\n")) {
    const lineShape = line.replaceAll(/\d+/g, "0");
    if (lineShape !== shape) {
      close();
      [shape, repeats] = [lineShape, 0];
    }
    repeats += 1;
    if (repeats <= printed) result.push(line);
  }
  close();
  return result.join("\n");
}

const quoted = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`);
