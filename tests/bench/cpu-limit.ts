/** Limits processes to a share of a core with cgroups, like containers, to compare them on a machine with few cores. */

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Short, so that a process at its limit pauses for milliseconds only. */
const periodMicros = 20_000;

/** Returns a function that limits a process; undefined if the system does not support it. Needs root. */
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
