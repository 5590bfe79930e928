import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";

import { kubernetesAccess } from "../../src/discovery/kubernetes-access.ts";
import { clusterEnvironmentOf } from "../../src/discovery/source.ts";
import { temporaryFolder } from "../support/folder.ts";

const inFolder = temporaryFolder("kubernetes-access");
const service = { kind: "kubernetes", service: "web" } as const;

describe("the access to the API server of Kubernetes", () => {
  beforeAll(() => {
    mkdirSync(inFolder("account"));
    writeFileSync(inFolder("account/ca.crt"), "authority");
    writeFileSync(inFolder("account/token"), "secret-token\n");
    writeFileSync(inFolder("account/namespace"), "shop");
    writeFileSync(inFolder("other-token"), "other-token");
  });
  const inPod = (host: string, port?: string) => ({ host, port, accountFolder: inFolder("account") });

  test("is that of the service account in a pod, over IPv4 and IPv6", async () => {
    expect(await kubernetesAccess(service, inPod("10.96.0.1", "6443"))).toEqual({
      url: "https://10.96.0.1:6443",
      ca: "authority",
      headers: { Authorization: "Bearer secret-token" },
      namespace: "shop",
    });
    expect((await kubernetesAccess(service, inPod("fd00::1"))).url).toBe("https://[fd00::1]:443");
  });

  test("is what the entry says of a server elsewhere, and never the token of this pod", async () => {
    const server = "https://k8s.example:6443";
    expect(await kubernetesAccess({ ...service, server }, inPod("10.96.0.1"))).toEqual({
      url: server,
      ca: undefined,
      headers: {},
      namespace: "default",
    });
    const tokenFile = inFolder("other-token");
    const { headers } = await kubernetesAccess({ ...service, server, tokenFile }, inPod("10.96.0.1"));
    expect(headers).toEqual({ Authorization: "Bearer other-token" });
  });

  test("has no token for a server without TLS", async () => {
    const plain = { ...service, server: "http://127.0.0.1:8001", tokenFile: inFolder("other-token") };
    expect((await kubernetesAccess(plain, {})).headers).toEqual({});
  });

  test("reads the default namespace where the pod has no file for it", async () => {
    const outside = { ...inPod("10.96.0.1"), accountFolder: inFolder("account") };
    writeFileSync(inFolder("account/namespace"), "../etc");
    expect((await kubernetesAccess(service, outside)).namespace).toBe("default");
  });

  test("comes from the variables of a container", () => {
    const variables = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443", HOME: "/" };
    expect(clusterEnvironmentOf(variables)).toEqual({ host: "10.96.0.1", port: "443" });
    expect(clusterEnvironmentOf({ KUBERNETES_SERVICE_HOST: "" })).toEqual({
      host: undefined,
      port: undefined,
    });
  });
});
