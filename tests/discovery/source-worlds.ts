/** One world for each kind of source: what the laws ask of its server. */

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createDns } from "../../src/dns/client.ts";
import { createDockerSource } from "../../src/discovery/docker-source.ts";
import { createDnsSource } from "../../src/discovery/dns-source.ts";
import { createKubernetesSource } from "../../src/discovery/kubernetes-source.ts";
import { createFileSource } from "../../src/discovery/members-file.ts";
import { createSrvSource } from "../../src/discovery/srv-source.ts";
import { type DnsServer, startDnsServer } from "../support/dns-server.ts";
import { container, FakeDockerDaemon } from "../support/docker-daemon.ts";
import { endpoint, FakeKubernetesApi, slice } from "../support/kubernetes-api.ts";
import { sourceLaws, type SourceWorld } from "./source-laws.ts";
import { contextAt, type SourceLaw } from "./source-run.ts";

/** Waits of the sources are shorter by this factor. */
const speed = 10;

/** Orchestrators are asked rarely, because they tell of changes themselves. */
const orchestratorSpeed = 40;

const hostOf = (member: string) => member.slice(0, member.lastIndexOf(":"));
const portOf = (member: string) => Number(member.slice(member.lastIndexOf(":") + 1));

/** A server whose answers are valid for a second. */
async function dnsWorld(
  open: (server: DnsServer, context: ReturnType<typeof contextAt>) => Pick<SourceWorld, "create" | "report">,
): Promise<SourceWorld> {
  const server = await startDnsServer({});
  server.ttlSeconds = 1;
  const context = contextAt(speed);
  const dns = createDns(() => [server.address], context.schedule);
  const world = open(server, { ...context, dns });
  return {
    ...world,
    report(members) {
      server.misbehaves = undefined;
      return world.report(members);
    },
    fail: () => void (server.misbehaves = "servfail"),
    garble: () => void (server.misbehaves = "garbage"),
    [Symbol.asyncDispose]: () => Promise.resolve(server.close()),
  };
}

/** All members of a name have one port: each test member is another name's. */
const addressWorld = () =>
  dnsWorld((server, context) => ({
    create(template) {
      const source = { kind: "dns", name: "api.internal", port: 1, family: "any" } as const;
      const { start } = createDnsSource({ source, template }, context);
      // The laws name ports, which the answers of DNS do not have.
      return {
        start: (listener) =>
          start({
            ...listener,
            failed: (why) => listener.failed(why),
            absent: (why) => listener.absent(why),
            answered: ({ members }) =>
              listener.answered({
                members: members.map((member) => {
                  const port = 8_000 + Number(member.address.hostname.split(".").at(-1));
                  return { ...member, address: { ...member.address, port } };
                }),
              }),
          }),
      };
    },
    report(members) {
      if (members.length === 0) server.records.delete("api.internal");
      else server.records.set("api.internal", members.map(hostOf));
    },
  }));

const serviceWorld = () =>
  dnsWorld((server, context) => ({
    create: (template) =>
      createSrvSource({ source: { kind: "srv", name: "_http._tcp.api", family: "any" }, template }, context),
    report(members) {
      server.services.delete("_http._tcp.api");
      if (members.length === 0) return;
      const rows = members.map((member) => {
        const target = `t${portOf(member)}.internal`;
        server.records.set(target, [hostOf(member)]);
        return { priority: 1, weight: 10, port: portOf(member), target };
      });
      server.services.set("_http._tcp.api", rows);
    },
  }));

function folderWorld(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-source-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function fileWorld(): Promise<SourceWorld> {
  const { folder, remove } = folderWorld();
  const path = join(folder, "members.yaml");
  const write = (text: string) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  return Promise.resolve({
    create: (template) => createFileSource({ source: { kind: "file", path }, template }, contextAt(speed)),
    report: (members, protocol = "http") =>
      write(`members: [${members.map((member) => `"${protocol}://${member}"`).join(", ")}]\n`),
    fail: () => rmSync(path, { force: true }),
    garble: () => write("members: [}\n"),
    [Symbol.asyncDispose]: () => Promise.resolve(remove()),
  });
}

async function dockerWorld(): Promise<SourceWorld> {
  const { folder, remove } = folderWorld();
  const socket = join(folder, "docker.sock");
  const daemon = await new FakeDockerDaemon(socket).start();
  let isAway = false;
  return {
    create: (template) =>
      createDockerSource(
        {
          source: { kind: "docker", labels: ["app=web"], published: false, host: `unix://${socket}` },
          template,
        },
        contextAt(orchestratorSpeed),
      ),
    async report(members) {
      daemon.respond = () => false;
      daemon.containers = members.map((member) =>
        container(`web-${portOf(member)}`, hostOf(member), {
          labels: { "evenkeel.port": String(portOf(member)) },
        }),
      );
      if (isAway) await daemon.start();
      isAway = false;
      for (const one of daemon.containers) daemon.emit("start", one);
    },
    async fail() {
      isAway = true;
      await daemon.die();
    },
    garble() {
      daemon.respond = (_, response) => {
        response.end("[{");
        return true;
      };
      daemon.cut();
    },
    async [Symbol.asyncDispose]() {
      await daemon.die();
      remove();
    },
  };
}

async function kubernetesWorld(): Promise<SourceWorld> {
  const { folder, remove } = folderWorld();
  const api = await (await FakeKubernetesApi.create()).start();
  const { port, url } = api;
  const [caFile, tokenFile] = [join(folder, "ca.crt"), join(folder, "token")];
  writeFileSync(caFile, api.ca);
  writeFileSync(tokenFile, api.token);
  const sliceOf = (member: string) =>
    slice(`web-${portOf(member)}`, [endpoint(hostOf(member))], {
      ports: [{ name: "http", protocol: "TCP", port: portOf(member) }],
    });
  let present: readonly string[] = [];
  let isAway = false;
  return {
    create: (template) =>
      createKubernetesSource(
        {
          source: { kind: "kubernetes", service: "web", port: "http", server: url, caFile, tokenFile },
          template,
        },
        contextAt(orchestratorSpeed),
      ),
    async report(members) {
      api.respond = () => false;
      for (const member of members) if (!present.includes(member)) api.put(sliceOf(member));
      for (const member of present) if (!members.includes(member)) api.remove(sliceOf(member));
      present = members;
      if (isAway) await api.start(port);
      isAway = false;
    },
    async fail() {
      isAway = true;
      await api.stop();
    },
    garble() {
      api.respond = (_, response) => {
        response.end("{]");
        return true;
      };
      api.cut();
    },
    async [Symbol.asyncDispose]() {
      await api.stop();
      remove();
    },
  };
}

/** The laws of every kind of source. */
export const lawsByKind: Readonly<Record<string, readonly SourceLaw[]>> = {
  "addresses in DNS": sourceLaws(addressWorld),
  "services in DNS": sourceLaws(serviceWorld),
  "a file": sourceLaws(fileWorld),
  Docker: sourceLaws(dockerWorld),
  Kubernetes: sourceLaws(kubernetesWorld),
};
