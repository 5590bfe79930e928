/** Balancers of one fleet as processes, each with a state file of its own. */

import { writeFileSync } from "node:fs";

import { fromBuild, type Program, type Programs } from "./program.ts";

export interface FleetMember {
  readonly name: string;
  readonly program: Program;
  readonly url: string;
  readonly admin: string;
}

export interface MemberOptions {
  readonly name: string;
  /** Of the store, or of a relay in front of it. */
  readonly redis: string;
  /** Lines of the configuration besides `fleet`. */
  readonly config: string;
  /** Lines of `fleet` besides name and redis. */
  readonly fleet?: string;
  readonly flags?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Record<string, string>;
  /** Path for a name. */
  readonly inFolder: (name: string) => string;
}

export async function startMember(programs: Programs, options: MemberOptions): Promise<FleetMember> {
  const { name, redis, config, fleet = "", flags = [], command = fromBuild, environment, inFolder } = options;
  const file = inFolder(`${name}.yaml`);
  writeFileSync(file, `fleet: { name: ${name}, redis: "${redis}"${fleet} }\n${config}`);
  const program = programs.start(
    [
      ...[...command, "proxy", "--config", file, "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
      ...["--state", inFolder(`${name}.db`), ...flags],
    ],
    environment,
  );
  const port = await program.port("balancer", 30_000);
  const admin = `http://127.0.0.1:${await program.port("admin")}`;
  return { name, program, url: `http://127.0.0.1:${port}`, admin };
}
