/** What the source of EndpointSlices does, against a scripted API server over TLS. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { KubernetesSettings } from "../../src/config/kubernetes-source.ts";
import { createKubernetesSource } from "../../src/discovery/kubernetes-source.ts";
import type { SourceContext } from "../../src/discovery/source.ts";
import { endpoint, failureStatus, FakeKubernetesApi, refuse, slice } from "../support/kubernetes-api.ts";
import { until } from "../support/wait.ts";
import { contextAt, type SourceLaw, SourceRun } from "./source-run.ts";

interface Setup {
  readonly api: FakeKubernetesApi;
  readonly fileAt: (name: string) => string;
  readonly run: (speed?: number, change?: Partial<KubernetesSettings>) => SourceRun;
}

interface SetupOptions {
  readonly cluster?: (folder: string, api: FakeKubernetesApi) => SourceContext["cluster"];
  /** Settings of the source, without those of a server outside of the cluster. */
  readonly isInCluster?: boolean;
}

/** A server with one slice of one endpoint, and files with its authority and a token. */
async function withApi(check: (setup: Setup) => Promise<void>, options: SetupOptions = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-kubernetes-"));
  const fileAt = (name: string) => join(folder, name);
  const api = await (await FakeKubernetesApi.create()).start();
  api.put(slice("web-a", [endpoint("10.0.0.1")]));
  writeFileSync(fileAt("ca.crt"), api.ca);
  writeFileSync(fileAt("token"), `${api.token}\n`);
  writeFileSync(fileAt("namespace"), "default");
  const runs: SourceRun[] = [];
  try {
    const run: Setup["run"] = (speed = 10, change = {}) => {
      const outside = { server: api.url, caFile: fileAt("ca.crt"), tokenFile: fileAt("token") };
      const source: KubernetesSettings = {
        kind: "kubernetes",
        service: "web",
        ...(options.isInCluster ? {} : outside),
        ...change,
      };
      const template = { protocol: "http", backup: false } as const;
      const context = contextAt(speed, options.cluster?.(folder, api));
      const started = new SourceRun(createKubernetesSource({ source, template }, context));
      runs.push(started);
      return started;
    };
    await check({ api, fileAt, run });
  } finally {
    for (const run of runs) run.stop();
    await api.stop();
    rmSync(folder, { recursive: true });
  }
}

const first = "10.0.0.1:8080";
const both = "10.0.0.1:8080 10.0.0.2:8080";
const twoEndpoints = slice("web-a", [endpoint("10.0.0.1"), endpoint("10.0.0.2")]);

/** A source that has reported one endpoint and watches. */
async function watching({ api, run }: Setup, speed?: number): Promise<SourceRun> {
  const started = run(speed);
  await started.reaches(first);
  await until(() => api.watches === 1, "the watch");
  return started;
}

/** For watches that have to last for a second, which takes 50 ms here. */
const fast = 20;
const second = () => new Promise((resolve) => setTimeout(resolve, 1_200 / fast));

const failures = (run: SourceRun) => run.reports.filter((report) => report.startsWith("failed: "));

export const kubernetesLaws: readonly SourceLaw[] = [
  {
    name: "lists with the token and the authority of the cluster, then watches from the version of the list",
    check: () =>
      withApi(async (setup) => {
        await watching(setup);
        const [list, watch] = setup.api.requests;
        assert.equal(list?.path, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices");
        assert.deepEqual(Object.fromEntries(list?.query ?? []), {
          labelSelector: "kubernetes.io/service-name=web",
          limit: "50",
        });
        const { timeoutSeconds, ...query } = Object.fromEntries(watch?.query ?? []);
        assert.deepEqual(query, {
          labelSelector: "kubernetes.io/service-name=web",
          watch: "1",
          allowWatchBookmarks: "true",
          resourceVersion: setup.api.version,
        });
        assert.ok(Number(timeoutSeconds) >= 300 && Number(timeoutSeconds) <= 450);
        assert.deepEqual([list?.token, watch?.token], ["token-1", "token-1"]);
      }),
  },
  {
    name: "follows slices that are added, changed and deleted",
    check: () =>
      withApi(async (setup) => {
        const run = await watching(setup, 1);
        const other = slice("web-b", [endpoint("10.0.0.3")]);
        setup.api.put(twoEndpoints);
        await run.reaches(both);
        setup.api.put(other);
        await run.reaches(`${both} 10.0.0.3:8080`);
        setup.api.put(slice("web-a", [endpoint("10.0.0.2")]));
        await run.reaches("10.0.0.2:8080 10.0.0.3:8080");
        setup.api.remove(other);
        await run.reaches("10.0.0.2:8080");
        assert.deepEqual([setup.api.lists().length, failures(run)], [1, []]);
      }),
  },
  {
    name: "drains endpoints that terminate and still serve, and lets go of them when they do not",
    check: () =>
      withApi(async (setup) => {
        const run = await watching(setup);
        const ending = (serving: boolean) =>
          slice("web-a", [
            endpoint("10.0.0.1"),
            endpoint("10.0.0.2", { ready: false, serving, terminating: true }),
          ]);
        setup.api.put(twoEndpoints);
        await run.reaches(both);
        setup.api.put(ending(true));
        await run.reaches(`${both};terminating`);
        setup.api.put(ending(false));
        await run.reaches(first);
      }),
  },
  {
    name: "reads lists page by page",
    check: () =>
      withApi(async ({ api, run }) => {
        api.put(slice("web-b", [endpoint("10.0.0.2")]));
        api.put(slice("web-c", [endpoint("10.0.0.3")]));
        api.pageSize = 1;
        await run().reaches(`${both} 10.0.0.3:8080`);
        assert.deepEqual(
          api.lists().map(({ query }) => query.get("continue")),
          [null, "1", "2"],
        );
      }),
  },
  {
    name: "gives up a list that has no end, and asks again later",
    check: () =>
      withApi(async ({ api, run }) => {
        let isEndless = true;
        api.respond = ({ query, token }, response) => {
          if (!isEndless || query.has("watch") || token !== api.token) return false;
          const metadata = { resourceVersion: api.version, continue: "again" };
          response.end(JSON.stringify({ metadata, items: [slice("web-a", [endpoint("10.0.0.1")])] }));
          return true;
        };
        const started = run();
        await until(() => failures(started).length > 0, "a failure");
        assert.match(failures(started)[0] ?? "", /no end/);
        assert.equal(api.lists().length, 2);
        isEndless = false;
        await started.reaches(first);
      }),
  },
  {
    name: "starts the list again when its next page has expired",
    check: () =>
      withApi(async ({ api, run }) => {
        api.put(slice("web-b", [endpoint("10.0.0.2")]));
        api.pageSize = 1;
        let refused = 0;
        api.respond = ({ query }, response) => {
          if (!query.has("continue") || refused > 0) return false;
          refused += 1;
          refuse(response, 410, "The provided continue parameter is too old", "Expired");
          return true;
        };
        const started = run();
        await started.reaches(both);
        assert.deepEqual([refused, failures(started)], [1, []]);
      }),
  },
  {
    name: "goes on from the last version when the watch is cut, and a bookmark moves that on",
    check: () =>
      withApi(async (setup) => {
        const run = await watching(setup, fast);
        setup.api.advance(50);
        setup.api.bookmark();
        const bookmarked = setup.api.version;
        const count = run.count;
        await until(() => run.count > count, "the bookmark");
        // Versions of before the bookmark are gone.
        setup.api.oldestVersion = Number(bookmarked);
        await second();
        setup.api.cut();
        setup.api.put(twoEndpoints);
        await run.reaches(both);
        assert.equal(setup.api.lists().length, 1);
        assert.equal(setup.api.watchesAsked()[1]?.query.get("resourceVersion"), bookmarked);
      }),
  },
  {
    name: "goes on from the last version when the server ends the watch",
    check: () =>
      withApi(async (setup) => {
        const run = await watching(setup, fast);
        for (let round = 0; round < 3; round++) {
          const asked = setup.api.watchesAsked().length;
          await second();
          setup.api.end();
          await until(() => setup.api.watchesAsked().length > asked && setup.api.watches === 1);
        }
        setup.api.put(twoEndpoints);
        await run.reaches(both);
        assert.deepEqual([setup.api.lists().length, failures(run)], [1, []]);
      }),
  },
  {
    name: "lists again after 410 as an event of the watch",
    check: () =>
      withApi(async (setup) => {
        const run = await watching(setup, 1);
        setup.api.send({ type: "ERROR", object: failureStatus(410, "too old resource version", "Expired") });
        await until(
          () => setup.api.lists().length === 2 && setup.api.watches === 1,
          "the second list",
          3_000,
        );
        setup.api.put(twoEndpoints);
        await run.reaches(both);
        assert.deepEqual(failures(run), []);
      }),
  },
  {
    name: "lists again after 410 as the status of the watch, and finds what happened meanwhile",
    check: () =>
      withApi(async (setup) => {
        const run = await watching(setup, fast);
        setup.api.put(twoEndpoints);
        await run.reaches(both);
        await second();
        setup.api.respond = () => true;
        setup.api.cut();
        setup.api.remove(twoEndpoints);
        setup.api.put(slice("web-b", [endpoint("10.0.0.3")]));
        setup.api.advance(100);
        setup.api.oldestVersion = Number(setup.api.version);
        setup.api.respond = () => false;
        setup.api.cut();
        await run.reaches("10.0.0.3:8080");
        await until(() => setup.api.watches === 1, "the watch");
        assert.equal(setup.api.lists().length, 2);
      }),
  },
  {
    name: "gives a silent watch up, and goes on from the last version without a list",
    check: () =>
      withApi(async (setup) => {
        const run = await watching(setup, 50);
        // The server sends nothing, although something happens.
        const asked = setup.api.watchesAsked().length;
        setup.api.mute();
        setup.api.put(twoEndpoints);
        await run.reaches(both);
        assert.deepEqual([setup.api.lists().length, failures(run)], [1, []]);
        assert.ok(setup.api.watchesAsked().length > asked);
      }),
  },
  {
    name: "reads the token again for each request, so that it may rotate",
    check: () =>
      withApi(async (setup) => {
        const { api, fileAt } = setup;
        const run = await watching(setup, fast);
        writeFileSync(fileAt("token"), "token-2");
        api.token = "token-2";
        await second();
        api.end();
        await until(() => api.watchesAsked().some(({ token }) => token === "token-2") && api.watches === 1);
        assert.deepEqual(failures(run), []);
      }),
  },
  {
    name: "keeps the last answer while its token is refused, and goes on with the next token",
    check: () =>
      withApi(async (setup) => {
        const { api, fileAt } = setup;
        const run = await watching(setup);
        api.token = "token-2";
        api.cut();
        await run.reaches("failed: status 401, Unauthorized; the token is not valid for this server");
        writeFileSync(fileAt("token"), "token-2");
        await run.reaches(first);
        assert.equal(
          run.reports.some((report) => report.includes("token-")),
          false,
        );
      }),
  },
  {
    name: "says which rule is missing, and nothing of its token",
    check: () =>
      withApi(async ({ api, run }) => {
        const why =
          'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:default:default" cannot list resource';
        api.respond = (_, response) => {
          refuse(response, 403, why, "Forbidden");
          return true;
        };
        const started = run();
        await started.reaches(
          `failed: status 403, ${why}; a Role in namespace default has to allow get, list and watch on endpointslices of discovery.k8s.io, and a RoleBinding has to give it to the balancer's service account`,
        );
        assert.equal(JSON.stringify(started.reports).includes(api.token), false);
      }),
  },
  {
    name: "waits as long as the server asks for",
    check: () =>
      withApi(async ({ api, run }) => {
        const times: number[] = [];
        api.respond = (_, response) => {
          times.push(performance.now());
          if (times.length > 2) return false;
          response.setHeader("Retry-After", "10");
          refuse(response, 429, "too many requests, please try again later", "TooManyRequests");
          return true;
        };
        const started = run(10);
        await started.reaches(first);
        assert.deepEqual(failures(started), [
          "failed: status 429, too many requests, please try again later",
        ]);
        const [one = 0, two = 0, three = 0] = times;
        assert.ok(Math.min(two - one, three - two) > 950, times.join(" "));
      }),
  },
  {
    name: "keeps the last answer while the server is away, and goes on when it is back",
    check: () =>
      withApi(async (setup) => {
        const { api } = setup;
        const run = await watching(setup);
        const { port } = api;
        await api.stop();
        await run.reaches(/^failed: localhost:\d+: the connection was refused$/);
        api.put(twoEndpoints);
        await api.start(port);
        await run.reaches(both);
        const others = run.reports.filter((report) => !report.startsWith("failed: "));
        assert.deepEqual([...new Set(others)], [first, both]);
        assert.equal(api.lists().length, 1);
      }),
  },
  {
    name: "lists again when its version fails three times, as after the restore of a backup",
    check: () =>
      withApi(async (setup) => {
        const { api } = setup;
        const run = await watching(setup);
        let refused = 0;
        api.respond = ({ query }, response) => {
          if (!query.has("watch") || query.get("resourceVersion") !== "101") return false;
          refused += 1;
          refuse(response, 504, "Timeout: Too large resource version: 101, current: 7", "Timeout");
          return true;
        };
        api.cut();
        api.put(twoEndpoints);
        await run.reaches(both);
        await until(() => api.watches === 1, "the watch");
        assert.ok(refused >= 1 && api.lists().length === 2, `${refused} ${api.lists().length}`);
      }),
  },
  {
    name: "trusts no other authority, and no certificate of another name",
    check: () =>
      withApi(async ({ api, fileAt, run }) => {
        writeFileSync(fileAt("other.crt"), (await FakeKubernetesApi.create()).ca);
        const stranger = run(10, { caFile: fileAt("other.crt") });
        await stranger.reaches(/the certificate is not signed by the configured authority$/);
        const named = run(10, { server: `https://127.0.0.1:${api.port}` });
        await named.reaches(/^failed: 127\.0\.0\.1:\d+: the certificate is for another name$/);
        assert.equal(api.requests.length, 0);
      }),
  },
  {
    name: "says which file is missing, or holds no token",
    check: () =>
      withApi(async ({ fileAt, run }) => {
        await run(10, { caFile: fileAt("none.crt") }).reaches(/none\.crt: there is no such file$/);
        await run(10, { tokenFile: fileAt("none") }).reaches(/none: there is no such file$/);
        writeFileSync(fileAt("bad"), "secret\r\nX-Other: 1");
        await run(10, { tokenFile: fileAt("bad") }).reaches(/^failed: \S+bad: there is no token in it$/);
      }),
  },
  {
    name: "finds server, token, authority and namespace in a pod",
    check: () =>
      withApi(async (setup) => void (await watching(setup)), {
        isInCluster: true,
        cluster: (accountFolder, { port }) => ({ accountFolder, host: "localhost", port: String(port) }),
      }),
  },
  {
    name: "says what to set outside of a cluster",
    check: () =>
      withApi(
        async ({ run }) =>
          run().reaches(
            "failed: KUBERNETES_SERVICE_HOST is not set, so this is no pod; set server, caFile and tokenFile",
          ),
        { isInCluster: true },
      ),
  },
  {
    name: "tells a service without endpoints from one that is not there",
    check: () =>
      withApi(async (setup) => {
        const run = await watching(setup);
        const empty = slice("web-a", []);
        setup.api.put(empty);
        await run.reaches("absent: service default/web has no ready endpoint");
        setup.api.remove(empty);
        await run.reaches("absent: service default/web has no EndpointSlice; is there such a service?");
      }),
  },
  {
    name: "asks seldom where each watch has expired, or ends at once",
    check: () =>
      withApi(async ({ api, run }) => {
        api.oldestVersion = Infinity;
        const expired = run(1);
        await expired.reaches(/^failed: status 410, /);
        await new Promise((resolve) => setTimeout(resolve, 400));
        assert.ok(api.requests.length <= 4, `${api.requests.length} requests`);
        expired.stop();
        api.requests.length = 0;
        api.respond = ({ query }, response) => {
          if (query.has("watch")) response.end();
          return query.has("watch");
        };
        const ended = run(1);
        await ended.reaches("failed: the server ended the watch at once");
        await new Promise((resolve) => setTimeout(resolve, 400));
        assert.ok(api.requests.length <= 3, `${api.requests.length} requests`);
      }),
  },
  {
    name: "cannot use what is no list or no event",
    check: () =>
      withApi(async (setup) => {
        const { api } = setup;
        const run = await watching(setup);
        api.send({ type: "ADDED", object: null });
        api.send({ type: "STRANGE", object: { metadata: { name: "x", resourceVersion: 3 } } });
        api.put(twoEndpoints);
        await run.reaches(both);
        api.respond = (_, response) => {
          response.end('{"items":{}}');
          return true;
        };
        api.cut();
        await run.reaches("failed: the answer is no list of EndpointSlices");
        api.respond = () => false;
        await run.reaches(both);
      }),
  },
  {
    name: "reports nothing more and leaves no connection when it is stopped",
    check: () =>
      withApi(async (setup) => {
        const run = await watching(setup, fast);
        run.stop();
        await until(() => setup.api.connections === 0, "all connections to be closed");
        const [reports, requests] = [run.count, setup.api.requests.length];
        setup.api.put(twoEndpoints);
        await new Promise((resolve) => setTimeout(resolve, 500));
        assert.deepEqual([run.count, setup.api.requests.length], [reports, requests]);
      }),
  },
];
