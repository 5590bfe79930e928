import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { createDockerSource } from "../../src/discovery/docker-source.ts";
import { createKubernetesSource } from "../../src/discovery/kubernetes-source.ts";
import { container, FakeDockerDaemon } from "../support/docker-daemon.ts";
import { temporaryFolder } from "../support/folder.ts";
import { endpoint, FakeKubernetesApi, slice } from "../support/kubernetes-api.ts";
import { sourceLaws } from "./source-laws.ts";
import { contextAt } from "./source-run.ts";

const inFolder = temporaryFolder("orchestrator-laws");
let folders = 0;

function newFolder(): string {
  const folder = inFolder(`world-${(folders += 1)}`);
  mkdirSync(folder);
  return folder;
}

/** Waits of the sources are so much shorter. */
const speed = 20;

sourceLaws(
  "containers of Docker",
  async () => {
    const socket = join(newFolder(), "docker.sock");
    const daemon = new FakeDockerDaemon(socket);
    await daemon.start();
    let isRunning = true;
    return {
      create: (template) =>
        createDockerSource(
          {
            source: { kind: "docker", labels: ["app=web"], published: false, host: `unix://${socket}` },
            template,
          },
          contextAt(speed),
        ),
      async report(members) {
        daemon.respond = () => false;
        const before = daemon.containers;
        daemon.containers = members.map((text) => {
          const [ip = "", port = ""] = text.split(":");
          return container(text, ip, { labels: { "evenkeel.port": port } });
        });
        if (!isRunning) await daemon.start();
        isRunning = true;
        for (const one of before) daemon.emit("die", one);
        for (const one of daemon.containers) daemon.emit("start", one);
      },
      async fail() {
        isRunning = false;
        await daemon.die();
      },
      garble() {
        daemon.respond = (_, response) => {
          response.end("<html>\n");
          return true;
        };
        daemon.cut();
      },
      [Symbol.asyncDispose]: () => daemon.die(),
    };
  },
  { members: ["10.0.0.1:8001", "10.0.0.2:8002"], noticedWithinMs: 12_000 },
);

sourceLaws(
  "endpoints of a service",
  async () => {
    const folder = newFolder();
    const [caFile, tokenFile] = [join(folder, "ca.crt"), join(folder, "token")];
    const api = await (await FakeKubernetesApi.create()).start();
    writeFileSync(caFile, api.ca);
    writeFileSync(tokenFile, api.token);
    const { port, url } = api;
    let isRunning = true;
    // Servers send them each minute.
    const bookmarks = setInterval(() => api.bookmark(), 200);
    return {
      create: (template) =>
        createKubernetesSource(
          { source: { kind: "kubernetes", service: "web", server: url, caFile, tokenFile }, template },
          contextAt(speed),
        ),
      async report(members) {
        api.respond = () => false;
        if (!isRunning) await api.start(port);
        isRunning = true;
        const endpointsAt = (wanted: string) =>
          members.filter((text) => text.endsWith(wanted)).map((text) => endpoint(text.split(":")[0] ?? ""));
        for (const wanted of ["8001", "8002"])
          api.put(
            slice(`web-${wanted}`, endpointsAt(wanted), {
              ports: [{ name: "http", protocol: "TCP", port: Number(wanted) }],
            }),
          );
      },
      async fail() {
        isRunning = false;
        await api.stop();
      },
      garble() {
        api.respond = (_, response) => {
          response.end("<html>\n");
          return true;
        };
        api.cut();
      },
      async [Symbol.asyncDispose]() {
        clearInterval(bookmarks);
        await api.stop();
      },
    };
  },
  { members: ["10.0.0.1:8001", "10.0.0.2:8002"], noticedWithinMs: 12_000 },
);
