/** `evenkeel version --check`: whether files and a running balancer fit this version. It looks at this machine alone. */

import { closeSync, openSync, readdirSync, readlinkSync, readSync, statSync } from "node:fs";

import type { VersionCheckRequest } from "../cli/version-check.ts";
import { currentSchema } from "../state/sqlite-store.ts";
import { holderOf } from "../state/state-lock.ts";
import { readSchema } from "../state/state-schema.ts";
import type { Reply } from "./admin-call.ts";
import { type ExitCode, renderColumns } from "./terminal.ts";

/** This process. */
export interface OwnBuild {
  readonly runtime: { readonly name: string; readonly version: string };
  readonly platform: string;
  readonly arch: string;
  /** Path of the executable, or of the runtime that runs the sources. */
  readonly executable: string;
  /** Whether runtime and program are one file. */
  readonly isCompiled: boolean;
}

/** One line of the report, and the exit code that it alone would have. */
interface Finding {
  readonly subject: string;
  readonly text: string;
  readonly exitCode: ExitCode;
}

const fine = (subject: string, text: string): Finding => ({ subject, text, exitCode: 0 });

/** Exit code 0: all fits, 1: a running balancer is another executable, 2: configuration or state do not fit. */
export function checkVersion(request: VersionCheckRequest, own: OwnBuild): Reply {
  const { runtime, platform, arch, executable, isCompiled } = own;
  const libc = platform === "linux" ? `, ${isForMusl(executable) ? "musl" : "glibc"}` : "";
  const findings = [
    fine("runtime", `${runtime.name} ${runtime.version}`),
    fine("target", `${platform}-${arch}${libc}, ${isCompiled ? "one executable" : "from sources"}`),
    configurationFinding(request.configuration),
    stateFinding(request.stateFile),
    balancerFinding(request.stateFile, own),
  ];
  const rows = findings.map(({ subject, text }) => [subject, text]);
  const lines = [`evenkeel ${request.version}`, ...renderColumns(rows, { right: [], hasColour: false })];
  const exitCode = findings.reduce<ExitCode>((worst, { exitCode: code }) => (code > worst ? code : worst), 0);
  return { text: lines.join("\n"), exitCode };
}

/** The loader that an executable for Linux names in its first page tells the C library that it was built for. */
function isForMusl(executable: string): boolean {
  const start = Buffer.alloc(4_096);
  const descriptor = openSync(executable, "r");
  try {
    readSync(descriptor, start, 0, start.length, 0);
  } finally {
    closeSync(descriptor);
  }
  return start.includes("/lib/ld-musl");
}

function configurationFinding({ path, exists, invalid }: VersionCheckRequest["configuration"]): Finding {
  const name = exists ? path : "no file; defaults, variables and flags";
  if (!invalid) return fine("configuration", `${name}: fits`);
  const count = invalid.problems.length + invalid.omitted;
  const text = `${name}: ${count === 1 ? "1 problem" : `${count} problems`}, run evenkeel check`;
  return { subject: "configuration", text, exitCode: 2 };
}

function stateFinding(file: string): Finding {
  const subject = "state";
  if (file === ":memory:") return fine(subject, "in memory, nothing is stored");
  const reading = readSchema(file);
  switch (reading.kind) {
    case "missing":
      return fine(subject, `${file}: created at the start`);
    case "unreadable":
      return { subject, text: `${file}: cannot be read: ${reading.why}`, exitCode: 2 };
    case "read": {
      const { schema } = reading;
      if (schema > currentSchema) {
        const text = `${file}: schema ${schema} of a newer version, this one cannot use it (it knows ${currentSchema})`;
        return { subject, text, exitCode: 2 };
      }
      if (schema === currentSchema) return fine(subject, `${file}: schema ${schema}, fits`);
      const remedy = "older versions cannot use it then, so make a backup";
      return fine(subject, `${file}: schema ${schema}, becomes ${currentSchema} at the start; ${remedy}`);
    }
  }
}

/** The process that has the lock of the state file, as far as /proc tells. */
function balancerFinding(stateFile: string, { executable, isCompiled }: OwnBuild): Finding {
  const subject = "balancer";
  if (stateFile === ":memory:") return fine(subject, "not looked for, without a state file");
  const pid = holderOf(`${stateFile}.lock`);
  if (pid === undefined) return fine(subject, "none runs with this state file");
  const folder = `/proc/${pid}`;
  try {
    const descriptors = readdirSync(`${folder}/fd`).map((name) => targetOf(`${folder}/fd/${name}`));
    if (!descriptors.some((target) => target?.endsWith(".lock")))
      return fine(subject, "none runs with this state file");
    const path = readlinkSync(`${folder}/exe`);
    if (isSameFile(`${folder}/exe`, executable)) {
      return fine(subject, `process ${pid} runs this ${isCompiled ? "executable" : "runtime"}`);
    }
    const replaced = / \(deleted\)$/;
    const what = replaced.test(path)
      ? `an executable that was replaced since: ${path.replace(replaced, "")}`
      : `another executable: ${path}`;
    return { subject, text: `process ${pid} runs ${what}`, exitCode: 1 };
  } catch (error) {
    if (hasCode(error, "ENOENT")) return fine(subject, "none runs with this state file");
    if (hasCode(error, "EACCES") || hasCode(error, "EPERM"))
      return fine(subject, `process ${pid} is of another user: only that user and root can see what it runs`);
    throw error;
  }
}

/** A descriptor may have been closed since the folder was read. */
function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

/** By number, not by name: an executable that was replaced still has its name. */
function isSameFile(left: string, right: string): boolean {
  const [a, b] = [statSync(left), statSync(right)];
  return a.dev === b.dev && a.ino === b.ino;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
