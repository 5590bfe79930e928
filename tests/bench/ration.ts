/** Gives processes a share of a core and no more, as containers get theirs: so that two of them can be compared on few cores. */

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Short, so that a process that has used its share up waits for milliseconds, and not for a visible pause. */
const periodMicros = 20_000;

/** Where this machine lets us limit processes; undefined where it does not. Needs to be root. */
export function cpuLimiter(): ((pid: number, share: number) => Disposable) | undefined {
  const [first, second] = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"];
  if (existsSync(join(first, "cpu.cfs_quota_us"))) {
    return (pid, share) =>
      limitCpu(join(first, `evenkeel-bench-${pid}`), pid, {
        "cpu.cfs_period_us": String(periodMicros),
        "cpu.cfs_quota_us": String(share * periodMicros),
      });
  }
  const controllers = join(second, "cgroup.subtree_control");
  if (!existsSync(controllers) || !readFileSync(controllers, "utf8").includes("cpu")) return undefined;
  return (pid, share) =>
    limitCpu(join(second, `evenkeel-bench-${pid}`), pid, {
      "cpu.max": `${share * periodMicros} ${periodMicros}`,
    });
}

function limitCpu(group: string, pid: number, limits: Readonly<Record<string, string>>): Disposable {
  mkdirSync(group);
  for (const [file, value] of Object.entries(limits)) writeFileSync(join(group, file), value);
  writeFileSync(join(group, "cgroup.procs"), String(pid));
  return {
    [Symbol.dispose]() {
      writeFileSync(join(group, "../cgroup.procs"), String(pid));
      rmdirSync(group);
    },
  };
}
