/** The laws that every source of members keeps, whatever it asks: for Bun and Deno, each against a scripted server of its own. */

import assert from "node:assert/strict";

import type { MemberTemplate } from "../../src/config/discovery.ts";
import type { DiscoveredMember, DiscoverySource } from "../../src/discovery/source.ts";
import { until } from "../support/wait.ts";
import { type SourceLaw, SourceRun } from "./source-run.ts";

/** A source and the server that it asks. */
export interface SourceWorld extends AsyncDisposable {
  /** A new source of the same entry. @param template of the entry */
  create(template: MemberTemplate): DiscoverySource;
  /**
   * What the server says from now on.
   * @param members addresses with ports; none for an empty list
   * @param protocol of servers whose answers name it
   */
  report(members: readonly string[], protocol?: "http" | "https"): void | Promise<void>;
  /** The server answers nothing, or errors. */
  fail(): void | Promise<void>;
  /** The server sends what cannot be understood. */
  garble(): void | Promise<void>;
}

const plainTemplate: MemberTemplate = { protocol: "http", backup: false };

const [one, two, three] = ["10.0.0.1:8001", "10.0.0.2:8002", "10.0.0.3:8003"] as const;

/** Longer than any source needs to notice anything, at the speed of the tests. */
const noticedWithinMs = 20_000;

class MemberRun extends SourceRun {
  /** Declared only: a source may report before the fields of this class begin. */
  declare members: readonly DiscoveredMember[];

  override answered(answer: Parameters<SourceRun["answered"]>[0]): void {
    assert.ok(answer.members.length > 0, "an answer without members is an absence");
    this.members = answer.members;
    super.answered({ ...answer, members: answer.members.toSorted(byHost) });
  }
}

function byHost(left: DiscoveredMember, right: DiscoveredMember): number {
  return left.address.hostname < right.address.hostname ? -1 : 1;
}

export function sourceLaws(start: () => Promise<SourceWorld>): readonly SourceLaw[] {
  const law = (
    name: string,
    check: (world: SourceWorld, run: (template?: MemberTemplate) => MemberRun) => Promise<void>,
  ): SourceLaw => ({
    name,
    async check() {
      await using world = await start();
      const runs: MemberRun[] = [];
      try {
        await check(world, (template = plainTemplate) => {
          const run = new MemberRun(world.create(template));
          runs.push(run);
          return run;
        });
      } finally {
        for (const run of runs) run.stop();
      }
    },
  });
  const reaches = (run: SourceRun, text: string | RegExp) => run.reaches(text, noticedWithinMs);

  const silences = (["fail", "garble"] as const).map((how) =>
    law(`tells a server that does this from one that has nothing: ${how}`, async (world, start) => {
      await world.report([one]);
      const run = start();
      await reaches(run, one);
      await world[how]();
      await reaches(run, /^failed: \S.*[^.]$/);
      assert.deepEqual(
        run.reports.filter((text) => text.startsWith("absent")),
        [],
      );
      await world.report([two]);
      await reaches(run, two);
    }),
  );

  return [
    law("reports all members, and all of them again after each change", async (world, start) => {
      await world.report([one]);
      const run = start();
      await reaches(run, one);
      await world.report([one, two]);
      await reaches(run, `${one} ${two}`);
      await world.report([three, two]);
      await reaches(run, `${two} ${three}`);
      await world.report([two]);
      await reaches(run, two);
    }),
    law("says again and again that there is nothing", async (world, start) => {
      await world.report([one]);
      const run = start();
      await reaches(run, one);
      await world.report([]);
      await reaches(run, /^absent: \S.*[^.]$/);
      const { count } = run;
      await until(() => run.count >= count + 2, "two more absences", noticedWithinMs);
      await world.report([one]);
      await reaches(run, one);
    }),
    ...silences,
    law("starts while its server is away", async (world, start) => {
      await world.report([]);
      await world.fail();
      const run = start();
      await reaches(run, /^failed: /);
      await world.report([one, two]);
      await reaches(run, `${one} ${two}`);
    }),
    law("makes members as its entry says", async (world, start) => {
      await world.report([one], "https");
      const run = start({
        ...{ protocol: "https", backup: true, weight: 7, http2: true },
        tls: { verify: true, serverName: "api.example" },
      });
      await reaches(run, one);
      const [member] = run.members;
      assert.ok(member);
      const { address, weight, backup, isTerminating } = member;
      assert.deepEqual({ weight, backup, isTerminating }, { weight: 7, backup: true, isTerminating: false });
      assert.deepEqual(address.tls, { verify: true, serverName: "api.example" });
      assert.deepEqual([address.protocol, address.http2], ["https", true]);
    }),
    law("reports nothing after its cancellation", async (world, start) => {
      await world.report([one]);
      const early = start();
      early.stop();
      const counted = early.count;
      const run = start();
      await reaches(run, one);
      run.stop();
      const { count } = run;
      await world.report([one, two]);
      await reaches(start(), `${one} ${two}`);
      assert.deepEqual([early.count, run.count], [counted, count]);
    }),
  ];
}
