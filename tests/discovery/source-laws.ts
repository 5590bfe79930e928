/** The laws that every source of members keeps, whatever it asks. Each source runs them against a scripted server of its own. */

import { describe, expect, test } from "bun:test";

import type { MemberTemplate } from "../../src/config/discovery.ts";
import type { DiscoveredMember, DiscoverySource } from "../../src/discovery/source.ts";
import { authorityOf } from "../../src/net/address.ts";
import { until } from "../support/wait.ts";

/** A source and the server that it asks. */
export interface SourceWorld extends AsyncDisposable {
  /** A new source of the same entry. @param template of the entry */
  create(template: MemberTemplate): DiscoverySource;
  /**
   * What the server says from now on.
   * @param members IP addresses with ports; none for an empty list
   * @param protocol of servers whose answers name it
   */
  report(members: readonly string[], protocol?: "http" | "https"): void | Promise<void>;
  /** The server answers nothing, or errors. */
  fail(): void | Promise<void>;
  /** The server sends what cannot be understood. */
  garble(): void | Promise<void>;
}

/** Two members that every source of this kind can report. */
export interface SourceLawOptions {
  readonly members: readonly [string, string];
  /** Time in which a source of this kind notices anything, milliseconds. */
  readonly noticedWithinMs: number;
}

export const plainTemplate: MemberTemplate = { protocol: "http", backup: false };

type Report =
  | { readonly kind: "answered"; readonly members: readonly DiscoveredMember[] }
  | { readonly kind: "failed" | "absent"; readonly why: string };

/** Starts a source and collects its reports. */
export function collect(source: DiscoverySource) {
  const reports: Report[] = [];
  const cancel = source.start({
    answered: ({ members }) => reports.push({ kind: "answered", members }),
    failed: (why) => reports.push({ kind: "failed", why }),
    absent: (why) => reports.push({ kind: "absent", why }),
  });
  const last = () => reports.at(-1);
  return {
    reports,
    cancel,
    last,
    lastMembers() {
      const report = last();
      return report?.kind === "answered"
        ? report.members
            .map(({ address }) => authorityOf(address))
            .toSorted()
            .join(" ")
        : report?.kind;
    },
  };
}

export function sourceLaws(
  kind: string,
  start: () => Promise<SourceWorld>,
  { members: [one, two], noticedWithinMs }: SourceLawOptions,
): void {
  const patiently = (condition: () => unknown, what: string) => until(condition, what, noticedWithinMs);
  const both = [one, two].toSorted().join(" ");

  // Most of the time they wait for the source to ask again.
  describe.concurrent(`a source of ${kind}`, () => {
    test("reports all members, and all of them again after each change", async () => {
      await using world = await start();
      await world.report([one]);
      const found = collect(world.create(plainTemplate));
      await patiently(() => found.lastMembers() === one, "the first answer");
      await world.report([one, two]);
      await patiently(() => found.lastMembers() === both, "a member to come");
      await world.report([two]);
      await patiently(() => found.lastMembers() === two, "a member to go");
      found.cancel();
      expect(found.reports.every(({ kind: reported }) => reported === "answered")).toBe(true);
    }, 60_000);

    test("says again and again that there is nothing, and never with an empty answer", async () => {
      await using world = await start();
      await world.report([one]);
      const found = collect(world.create(plainTemplate));
      await patiently(() => found.lastMembers() === one, "the first answer");
      await world.report([]);
      const absences = () => found.reports.filter(({ kind: reported }) => reported === "absent");
      await until(() => absences().length >= 3, "three absences", 3 * noticedWithinMs);
      await world.report([one]);
      await patiently(() => found.lastMembers() === one, "the member to come back");
      found.cancel();
      for (const report of found.reports)
        if (report.kind === "answered") expect(report.members.length).toBeGreaterThan(0);
        else expect(report.why).not.toBe("");
    }, 120_000);

    test.each(["fail", "garble"] as const)(
      "tells a server that does this from one that has nothing: %s",
      async (how) => {
        await using world = await start();
        await world.report([one]);
        const found = collect(world.create(plainTemplate));
        await patiently(() => found.lastMembers() === one, "the first answer");
        await world[how]();
        await patiently(() => found.last()?.kind === "failed", "the failure");
        expect(found.reports.filter(({ kind: reported }) => reported === "absent")).toEqual([]);
        await world.report([two]);
        await patiently(() => found.lastMembers() === two, "an answer after the failure");
        found.cancel();
        for (const report of found.reports)
          if (report.kind !== "answered") expect(report.why).toMatch(/^\S.*[^.]$/);
      },
      60_000,
    );

    test("starts while its server is away", async () => {
      await using world = await start();
      await world.fail();
      const found = collect(world.create(plainTemplate));
      await patiently(() => found.last()?.kind === "failed", "the failure");
      await world.report([one, two]);
      await patiently(() => found.lastMembers() === both, "the first answer");
      found.cancel();
    }, 60_000);

    test("makes members as its entry says", async () => {
      await using world = await start();
      await world.report([one], "https");
      const template: MemberTemplate = {
        protocol: "https",
        backup: true,
        weight: 7,
        http2: true,
        tls: { verify: true, serverName: "api.example" },
      };
      const found = collect(world.create(template));
      await patiently(() => found.lastMembers() === one, "the first answer");
      found.cancel();
      const report = found.last();
      const [member] = report?.kind === "answered" ? report.members : [];
      expect(member).toMatchObject({ weight: 7, backup: true, isTerminating: false });
      expect(member?.address).toMatchObject({
        http2: true,
        tls: { verify: true, serverName: "api.example" },
      });
    }, 60_000);

    test("reports nothing after its cancellation", async () => {
      await using world = await start();
      await world.report([one]);
      const early = collect(world.create(plainTemplate));
      early.cancel();
      const count = early.reports.length;
      const found = collect(world.create(plainTemplate));
      await patiently(() => found.lastMembers() === one, "the first answer");
      found.cancel();
      const before = found.reports.length;
      await world.report([one, two]);
      const third = collect(world.create(plainTemplate));
      await patiently(() => third.lastMembers() === both, "another source to see the change");
      third.cancel();
      expect([early.reports.length, found.reports.length]).toEqual([count, before]);
    }, 60_000);
  });
}
