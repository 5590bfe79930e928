/** The Kubernetes manifests: types of the API, names that fit together, and the real program with their configuration. */

import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";

import type { ConfigMap, PodSpec, Service } from "kubernetes-types/core/v1";
import type { Deployment } from "kubernetes-types/apps/v1";
import type { PodDisruptionBudget } from "kubernetes-types/policy/v1";
import type { Role, RoleBinding } from "kubernetes-types/rbac/v1";
import { parse, parseAllDocuments, stringify } from "yaml";

import manifest from "../../package.json" with { type: "json" };
import { systemEnvironment } from "../../src/cli/environment.ts";
import { parse as parseCommand } from "../../src/cli/parse.ts";
import { describeConfigError } from "../../src/config/problem.ts";
import { temporaryFolder } from "../support/folder.ts";
import { packagingText, projectFolder, runProgram } from "../support/packaging.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("kubernetes");

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

const manifests = parseAllDocuments(packagingText("kubernetes", "evenkeel.yaml")).map((document) => {
  if (!("errors" in document) || document.errors.length > 0) throw new Error("Cannot parse the manifests");
  return document.toJS() as Manifest;
});

function find<Kind>(kind: string, name = "evenkeel"): Kind {
  const found = manifests.find((candidate) => candidate.kind === kind && candidate.metadata.name === name);
  if (!found) throw new Error(`Cannot find ${kind} ${name}`);
  return found as Kind;
}

const deployment = find<Deployment>("Deployment");
const pod = deployment.spec?.template.spec as PodSpec;
const [container] = pod.containers;
if (!container) throw new Error("Cannot find the container");
const configMap = find<ConfigMap>("ConfigMap");
const configText = configMap.data?.["evenkeel.yaml"] ?? "";
const config = parse(configText) as {
  readonly listen: { port: number };
  readonly admin: { port: number };
  readonly drainDelay: string;
  readonly drainTimeout: string;
};

/** A literal of a type of the API: the compiler refuses unknown, missing and wrong fields. */
function literal({ apiVersion, kind }: Manifest, value: unknown): string {
  const path = apiVersion.replace(".k8s.io", "").replace("rbac.authorization", "rbac");
  const module = path.includes("/") ? path : `core/${path}`;
  return `(${JSON.stringify(value)}) satisfies import("kubernetes-types/${module}").${kind};\n`;
}

/** Messages of the compiler about these manifests. */
async function typeErrors(values: readonly Manifest[], name: string): Promise<string> {
  const folder = join(projectFolder, "node_modules/.cache/evenkeel-manifests");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.ts`);
  writeFileSync(file, `export {};\n${values.map((value) => literal(value, value)).join("")}`);
  const compiler = join(projectFolder, "node_modules/.bin/tsc");
  const flags = [
    "--ignoreConfig",
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "esnext",
    "--moduleResolution",
    "bundler",
  ];
  const { code, out } = await runProgram(["node", compiler, ...flags, "--types", "", file], { cwd: folder });
  if (code === 0) return "";
  return out;
}

describe("the manifests", () => {
  test(
    "have the types of the Kubernetes API",
    async () => expect(await typeErrors(manifests, "manifests")).toBe(""),
    30_000,
  );

  test("are refused by these types when a field has the wrong name or type", async () => {
    const wrong = structuredClone(deployment) as unknown as Manifest;
    const broken = wrong as unknown as {
      spec: { replicas: unknown; template: { spec: Record<string, unknown> } };
    };
    broken.spec.replicas = "two";
    broken.spec.template.spec["terminationGracePeriod"] = 45;
    const errors = await typeErrors([wrong], "broken");
    expect(errors).toContain("'string' is not assignable to type 'number'");
    expect(errors).toContain("terminationGracePeriod");
  }, 30_000);

  test("name each other rightly", () => {
    const labels = deployment.spec?.template.metadata?.labels ?? {};
    for (const selected of [
      deployment.spec?.selector.matchLabels,
      find<Service>("Service").spec?.selector,
      find<Service>("Service", "evenkeel-admin").spec?.selector,
      find<PodDisruptionBudget>("PodDisruptionBudget").spec?.selector?.matchLabels,
      ...(pod.topologySpreadConstraints ?? []).map(({ labelSelector }) => labelSelector?.matchLabels),
    ])
      expect(selected).toEqual(labels);
    const inShop = (kind: string) => /^Role(Binding)?$/.test(kind);
    for (const { kind, metadata } of manifests)
      if (kind !== "Namespace") expect(metadata.namespace).toBe(inShop(kind) ? "shop" : "evenkeel");
    expect(pod.serviceAccountName).toBe(find<Manifest>("ServiceAccount").metadata.name);
    const binding = find<RoleBinding>("RoleBinding", "evenkeel-discovery");
    const role = find<Role>("Role", "evenkeel-discovery");
    expect(binding.roleRef).toMatchObject({ kind: "Role", name: role.metadata?.name });
    expect(binding.subjects?.map(({ name, namespace }) => [name, namespace])).toEqual([
      ["evenkeel", "evenkeel"],
    ]);
    // What discovery asks for, in the namespace that the configuration names.
    expect(role.rules).toEqual([
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list", "watch"] },
    ]);
    expect(configText).toContain("{ kubernetes: shop/web }");
    expect(pod.automountServiceAccountToken).toBe(true);
    const volumes = pod.volumes?.map(({ name }) => name);
    expect(container.volumeMounts?.map(({ name }) => name)).toEqual(volumes);
    expect(container.image).toEndWith(`/evenkeel:${manifest.version}`);
  });

  test("name the ports that the configuration opens", () => {
    const ports = Object.fromEntries(
      (container.ports ?? []).map(({ name, containerPort }) => [name, containerPort]),
    );
    expect(ports).toEqual({ http: config.listen.port, admin: config.admin.port });
    const targets = [find<Service>("Service"), find<Service>("Service", "evenkeel-admin")].flatMap(
      ({ spec }) => (spec?.ports ?? []).map(({ targetPort }) => targetPort),
    );
    expect(targets).toEqual(["http", "admin"]);
  });

  test("give the pod more time to end than the balancer takes", () => {
    const seconds = (text: string) => Number(/^(\d+)s$/.exec(text)?.[1]);
    const taken = seconds(config.drainDelay) + seconds(config.drainTimeout);
    expect(pod.terminationGracePeriodSeconds ?? 0).toBeGreaterThan(taken);
    // The Service must have stopped sending before the listener closes: two failed probes, and a second to tell the nodes.
    const { periodSeconds = NaN, failureThreshold = NaN } = container.readinessProbe ?? {};
    expect(seconds(config.drainDelay)).toBeGreaterThanOrEqual(periodSeconds * failureThreshold + 1);
  });

  test("meet the restricted level of the pod security standards", () => {
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect([pod.hostNetwork, pod.hostPID, pod.hostIPC]).toEqual([undefined, undefined, undefined]);
    for (const volume of pod.volumes ?? []) expect(volume.hostPath).toBeUndefined();
  });
});

/** Asks as the kubelet does, which connects to the address of the pod. */
function statusOf(port: number, path: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, headers: { Host: host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}

describe("the program with the configuration of the ConfigMap", () => {
  test("has nothing to object to", () => {
    writeFileSync(inFolder("check.yaml"), configText);
    const env = { ADMIN_TOKEN: "a".repeat(64) };
    const parsed = parseCommand(["check", "--config", inFolder("check.yaml")], env, systemEnvironment(env));
    expect("problems" in parsed ? describeConfigError(parsed) : parsed.kind).toBe("check");
  });

  test("starts with the arguments of the pod, answers the probes, and keeps the rest for the token", async () => {
    await using programs = new Programs();
    const folder = inFolder();
    // Free ports and an upstream without a cluster.
    const local = { ...(parse(configText) as Record<string, Record<string, unknown>>) };
    Object.assign(local["listen"] ?? {}, { port: 0 });
    Object.assign(local["admin"] ?? {}, { port: 0 });
    writeFileSync(
      join(folder, "evenkeel.yaml"),
      stringify(local).replace("kubernetes: shop/web", "url: http://127.0.0.1:9"),
    );
    const argv = (container.args ?? []).map((word) => word.replace("/etc/evenkeel", folder));
    const token = { ADMIN_TOKEN: "a".repeat(64) };
    const program = programs.start([...fromBuild, ...argv], token);
    const port = await program.port("admin", 20_000);
    const podAddress = `10.244.1.7:${config.admin.port}`;
    for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
      expect(probe?.httpGet?.port).toBe("admin");
      expect(await statusOf(port, probe?.httpGet?.path ?? "", podAddress)).toBe(200);
    }
    expect(await statusOf(port, "/metrics", podAddress)).toBe(401);
    // While it drains, /livez stays 200: the kubelet must not restart it.
    program.child.kill("SIGTERM");
    await until(async () => (await statusOf(port, "/readyz", podAddress)) === 503, "the drain");
    expect(await statusOf(port, "/livez", podAddress)).toBe(200);
  }, 30_000);
});
