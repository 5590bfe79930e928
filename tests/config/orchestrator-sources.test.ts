import { describe, expect, test } from "bun:test";

import { describeSource } from "../../src/config/discovery.ts";
import { parsed, problemsOf } from "../cli/fake.ts";

const fileWith = (entry: string) => `pools: { web: { upstreams: [{ ${entry} }] } }`;
const entryOf = (entry: string) => {
  const files = { "evenkeel.yaml": fileWith(entry) };
  const { config, text } = parsed("check", { argv: "check", files });
  const [found] = config.pools[0]?.discovery ?? [];
  if (!found) throw new Error("Cannot find the source");
  return { source: found.source, template: found.template, name: describeSource(found.source), text };
};
const problemOf = (entry: string) =>
  problemsOf({ argv: "check", files: { "evenkeel.yaml": fileWith(entry) } }).join("\n");

describe("a source of Docker's containers in the configuration", () => {
  test("is a label, or a map with one or several", () => {
    const usual = {
      kind: "docker",
      labels: ["app=web"],
      published: false,
      host: "unix:///var/run/docker.sock",
    };
    expect(entryOf("docker: app=web").source).toEqual(usual as never);
    expect(entryOf("docker: { label: app=web }").source).toEqual(usual as never);
    expect(
      entryOf(
        "docker: { label: [app=web, tier], network: back, port: 8080, published: true, host: 'tcp://socket-proxy:2375' }",
      ).source,
    ).toEqual({
      kind: "docker",
      labels: ["app=web", "tier"],
      network: "back",
      port: 8_080,
      published: true,
      host: "tcp://socket-proxy:2375",
    });
  });

  test("has a name for people", () => {
    expect(entryOf("docker: app=web").name).toBe("docker label app=web");
    expect(entryOf("docker: { label: [app, tier=a], host: 'tcp://p:2375' }").name).toBe(
      "docker label app, tier=a at tcp://p:2375",
    );
  });

  test("is shown as short as it can be written, and means the same again", () => {
    expect(entryOf("docker: { label: [app=web] }").text).toContain("docker: app=web");
    for (const entry of [
      "docker: app=web",
      "docker: { label: [a, b], network: n, port: 1, published: true }",
    ]) {
      const { text, source } = entryOf(entry);
      const again = parsed("check", { argv: "check", files: { "evenkeel.yaml": text } });
      expect(again.config.pools[0]?.discovery?.[0]?.source).toEqual(source);
    }
  });

  test.each([
    ["docker: {}", "pools.web.upstreams[0].docker.label", "(received nothing)"],
    [
      "docker: 3",
      "pools.web.upstreams[0].docker",
      "expected a label such as app=web, or a map with label (received 3)",
    ],
    [
      "docker: { label: '' }",
      "docker.label",
      'expected a label such as app=web, or a list of labels (received "")',
    ],
    ["docker: { label: [] }", "docker.label", "expected a label such as app=web, or a list of labels"],
    ["docker: { label: a, port: 0 }", "docker.port", "expected a whole number from 1 to 65535 (received 0)"],
    ["docker: { label: a, network: 'a b' }", "docker.network", "expected the name of a network"],
    ["docker: { label: a, hosts: x }", "docker.hosts", 'did you mean "host"?'],
    ["docker: { label: a, host: /var/run/docker.sock }", "docker.host", "write unix:///var/run/docker.sock"],
    [
      "docker: { label: a, host: 'unix://docker.sock' }",
      "docker.host",
      "the path of the socket must be absolute",
    ],
    [
      "docker: { label: a, host: 'http://a:2375' }",
      "docker.host",
      "expected unix:///var/run/docker.sock or a host such as tcp://socket-proxy:2375",
    ],
    [
      "docker: { label: a, host: 'tcp://a' }",
      "docker.host",
      "the port is missing, as in tcp://socket-proxy:2375",
    ],
    ["docker: { label: a, host: 'tcp://a:0' }", "docker.host", "the port must be from 1 to 65535"],
    [
      "docker: { label: a, host: 'tcp://u:p@a:1' }",
      "docker.host",
      'a user name or password is not allowed (received "tcp://***@a:1")',
    ],
    [`docker: { label: a, host: 'unix:///${"x".repeat(107)}' }`, "docker.host", "at most 107 bytes"],
    ["docker: a, name: x", "upstreams[0].name", "leave name out"],
  ])("is refused with path, value and what to write instead: %s", (entry, path, why) => {
    expect(problemOf(entry)).toContain(`${path} at evenkeel.yaml:1:`);
    expect(problemOf(entry)).toContain(why);
  });
});

describe("a source of a service's endpoints in the configuration", () => {
  test("is a service with or without its namespace, or a map", () => {
    expect(entryOf("kubernetes: web").source).toEqual({ kind: "kubernetes", service: "web" });
    expect(entryOf("kubernetes: shop/web").source).toEqual({
      kind: "kubernetes",
      service: "web",
      namespace: "shop",
    });
    expect(
      entryOf(
        "kubernetes: { service: web, namespace: shop, port: http, server: 'https://k8s.example:6443/clusters/a', caFile: ca.pem, tokenFile: token }",
      ).source,
    ).toEqual({
      kind: "kubernetes",
      service: "web",
      namespace: "shop",
      port: "http",
      server: "https://k8s.example:6443/clusters/a",
      caFile: "ca.pem",
      tokenFile: "token",
    });
    expect(entryOf("kubernetes: { service: web, port: 8443 }, protocol: https").template.protocol).toBe(
      "https",
    );
  });

  test("has a name for people", () => {
    expect(entryOf("kubernetes: shop/web").name).toBe("kubernetes shop/web");
    expect(entryOf("kubernetes: { service: web, port: 8080 }").name).toBe("kubernetes web port 8080");
  });

  test("is shown as short as it can be written, and means the same again", () => {
    expect(entryOf("kubernetes: { service: web, namespace: shop }").text).toContain("kubernetes: shop/web");
    for (const entry of ["kubernetes: web", "kubernetes: { service: web, namespace: a, port: http }"]) {
      const { text, source } = entryOf(entry);
      const again = parsed("check", { argv: "check", files: { "evenkeel.yaml": text } });
      expect(again.config.pools[0]?.discovery?.[0]?.source).toEqual(source);
    }
  });

  test.each([
    ["kubernetes: {}", "kubernetes.service", "(received nothing)"],
    [
      "kubernetes: Web",
      "upstreams[0].kubernetes",
      'expected the name of a service such as shop/web, or a map with service (received "Web")',
    ],
    ["kubernetes: a/b/c", "upstreams[0].kubernetes", "expected the name of a service such as shop/web"],
    ["kubernetes: { service: a/b }", "kubernetes.service", "expected the name of a service"],
    [
      "kubernetes: { service: a, port: 0 }",
      "kubernetes.port",
      "expected the name of a port of the service, or the number of a port of its pods (received 0)",
    ],
    ["kubernetes: { service: a, port: '' }", "kubernetes.port", "expected the name of a port"],
    ["kubernetes: { service: a, nameSpace: b }", "kubernetes.nameSpace", 'did you mean "namespace"?'],
    [
      "kubernetes: { service: a, server: k8s:6443 }",
      "kubernetes.server",
      "expected a URL such as https://10.0.0.1:6443",
    ],
    [
      "kubernetes: { service: a, server: 'http://10.0.0.1:8001' }",
      "kubernetes.server",
      "http is only for this machine, as with kubectl proxy; use https",
    ],
    ["kubernetes: { service: a, server: 'https://a/b?c' }", "kubernetes.server", "the path may have"],
    [
      "kubernetes: { service: a, server: 'https://u:secret@a' }",
      "kubernetes.server",
      'a user name or password is not allowed (received "https://***@a")',
    ],
    ["kubernetes: a, tls: { verify: false }", "upstreams[0].tls", "set protocol: https"],
  ])("is refused with path, value and what to write instead: %s", (entry, path, why) => {
    expect(problemOf(entry)).toContain(`${path} at evenkeel.yaml:1:`);
    expect(problemOf(entry)).toContain(why);
  });

  test("may be a server on this machine without TLS", () =>
    expect(problemOf("kubernetes: { service: a, server: 'http://127.0.0.1:8001' }")).toBe(""));
});
