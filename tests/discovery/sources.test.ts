import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { createDns } from "../../src/dns/client.ts";
import { createDnsSource } from "../../src/discovery/dns-source.ts";
import { createFileSource } from "../../src/discovery/members-file.ts";
import { createSrvSource } from "../../src/discovery/srv-source.ts";
import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { systemRandom } from "../../src/lib/random.ts";
import { type DnsServer, startDnsServer } from "../support/dns-server.ts";
import { temporaryFolder } from "../support/folder.ts";
import { sourceLaws, type SourceWorld } from "./source-laws.ts";

const contextOf = (server: DnsServer) => ({
  clock: systemClock,
  schedule: systemSchedule,
  random: systemRandom,
  dns: createDns(() => [server.address], systemSchedule),
});

/** A server whose answers are valid for a second. */
async function dnsWorld(
  create: (server: DnsServer) => Pick<SourceWorld, "create" | "report">,
): Promise<SourceWorld> {
  const server = await startDnsServer({});
  server.ttlSeconds = 1;
  const world = create(server);
  return {
    ...world,
    report(members) {
      server.misbehaves = undefined;
      return world.report(members);
    },
    fail: () => void (server.misbehaves = "servfail"),
    garble: () => void (server.misbehaves = "garbage"),
    async [Symbol.asyncDispose]() {
      server.close();
      return Promise.resolve();
    },
  };
}

sourceLaws(
  "addresses in DNS",
  () =>
    dnsWorld((server) => ({
      create: (template) =>
        createDnsSource(
          { source: { kind: "dns", name: "api.internal", port: 80, family: "any" }, template },
          contextOf(server),
        ),
      report(members) {
        if (members.length === 0) server.records.delete("api.internal");
        else
          server.records.set(
            "api.internal",
            members.map((text) => text.replace(/:\d+$/, "").replace(/[[\]]/g, "")),
          );
      },
    })),
  { members: ["10.0.0.1:80", "[fd00::2]:80"], noticedWithinMs: 12_000 },
);

sourceLaws(
  "services in DNS",
  () =>
    dnsWorld((server) => ({
      create: (template) =>
        createSrvSource(
          { source: { kind: "srv", name: "_http._tcp.api.internal", family: "any" }, template },
          contextOf(server),
        ),
      report(members) {
        server.services.delete("_http._tcp.api.internal");
        if (members.length > 0)
          server.services.set(
            "_http._tcp.api.internal",
            members.map((text, index) => {
              const [host = "", port] = text.split(":");
              server.records.set(`t${index}-${host}.internal`, [host]);
              return { priority: 1, weight: 10, port: Number(port), target: `t${index}-${host}.internal` };
            }),
          );
      },
    })),
  { members: ["10.0.0.1:8001", "10.0.0.2:8002"], noticedWithinMs: 12_000 },
);

const inFolder = temporaryFolder("file-laws");
let folders = 0;

sourceLaws(
  "files",
  () => {
    const folder = inFolder(`world-${(folders += 1)}`);
    mkdirSync(folder);
    const path = join(folder, "members.yaml");
    const write = (text: string) => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    };
    return Promise.resolve({
      create: (template) =>
        createFileSource({ source: { kind: "file", path }, template }, { schedule: systemSchedule }),
      report: (members, protocol = "http") =>
        write(`members: [${members.map((text) => `"${protocol}://${text}"`).join(", ")}]\n`),
      fail: () => rmSync(path, { force: true }),
      garble: () => write("members: [}\n"),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  },
  { members: ["10.0.0.1:8001", "10.0.0.2:8002"], noticedWithinMs: 12_000 },
);
