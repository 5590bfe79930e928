/** The first configuration file of an operator, with comments, from a few answers; and what is wrong with the answers. */

import { parse as parseYaml } from "yaml";

import type { CertificateReader } from "../tls/certificate-files.ts";
import { defaults } from "./config.ts";
import { loadConfig } from "./load.ts";
import { maxProblems, type Problem } from "./problem.ts";
import { readFileText } from "./yaml-file.ts";

/** Where the certificates of a site come from. */
export type StarterCertificates =
  | { readonly kind: "none" }
  | { readonly kind: "files"; readonly cert: string; readonly key: string }
  | {
      readonly kind: "acme";
      readonly email: string | undefined;
      /** To the terms of the authority. */
      readonly isAgreed: boolean;
    };

export interface StarterAnswers {
  /** Each as in a file: "http://10.0.0.1:8080;weight=3". */
  readonly upstreams: readonly string[];
  /** Empty for every host. */
  readonly hosts: readonly string[];
  readonly certificates: StarterCertificates;
  /** Undefined for probes by a TCP connect. */
  readonly probePath: string | undefined;
}

/** Where the terms of Let's Encrypt are. */
export const termsUrl = "https://letsencrypt.org/repository/";

/** A whole configuration file. Every text of the answers is quoted where YAML needs it. */
export function renderStarter({ upstreams, hosts, certificates, probePath }: StarterAnswers): string {
  return [
    "# Configuration of Evenkeel. After a change: `evenkeel check`, then SIGHUP or a restart (`evenkeel up --watch` reloads by itself).",
    "# docs/operations.md, docs/routing.md and examples/ show all settings.",
    "",
    ...certificateLines(certificates),
    ...listenerLines(certificates),
    "",
    "# Groups of servers.",
    "pools:",
    "  main:",
    `    policy: ${defaults.pool.policy} # or p2c for servers of unequal speed, least-connections, hash, random, first`,
    ...probeLines(probePath),
    "    upstreams: # your servers, one a line; options: http://10.0.0.2:8080;weight=3;backup;name=big",
    ...upstreams.map((upstream) => `      - ${yamlText(upstream)}`),
    "",
    "# Which requests go to which pool; others get 404.",
    "routes:",
    ...routeLines(hosts),
    "",
  ].join("\n");
}

function certificateLines(certificates: StarterCertificates): readonly string[] {
  if (certificates.kind === "none") return [];
  const title = "# For every listener with TLS, chosen by the name that a client asks for.";
  if (certificates.kind === "files") {
    return [
      title,
      "certificates:",
      `  - cert: ${yamlText(certificates.cert)} # PEM, with its intermediate certificates; renewed files are read by themselves`,
      `    key: ${yamlText(certificates.key)} # PEM, without a passphrase`,
      "",
    ];
  }
  const { email, isAgreed } = certificates;
  return [
    title,
    "certificates:",
    "  - acme: # orders and renews one for each host of the routes",
    `      agree: ${isAgreed} # to the terms of Let's Encrypt, ${termsUrl}`,
    email === undefined
      ? "      # email: ops@example.com # your contact there"
      : `      email: ${yamlText(email)} # your contact there`,
    "      directory: letsencrypt # for trials letsencrypt-staging, which browsers do not trust",
    "",
  ];
}

function listenerLines({ kind }: StarterCertificates): readonly string[] {
  if (kind === "none") {
    return [
      "# Where clients connect, without TLS.",
      "listen:",
      `  host: ${defaults.listen.hostname} # all addresses of this machine; 127.0.0.1 is this machine alone`,
      `  port: ${defaults.listen.port} # a port below 1024 needs root or the capability CAP_NET_BIND_SERVICE`,
    ];
  }
  return [
    "# Where clients connect. Ports below 1024 need root or the capability CAP_NET_BIND_SERVICE.",
    "listen:",
    "  - { name: web, port: 80, redirect: https } # sends clients to https",
    "  - { name: main, port: 443, tls: true } # HTTP/2 too: add protocols: [http2, http1]",
  ];
}

function probeLines(path: string | undefined): readonly string[] {
  const intervalText = "      interval: 5s # time between two checks of a server";
  if (path === undefined) {
    return [
      "    probe: # finds failed servers by a TCP connect; better: path: /healthz for a GET",
      intervalText,
    ];
  }
  return [
    "    probe: # finds failed servers",
    `      path: ${yamlText(path)} # GET, which a healthy server answers with 200`,
    intervalText,
  ];
}

function routeLines(hosts: readonly string[]): readonly string[] {
  if (hosts.length === 0) return ["  - pool: main # every host and path; add host: shop.example.com for one"];
  return [
    "  - host: # names that clients ask for; *.example.com is every name below",
    ...hosts.map((host) => `      - ${yamlText(host)}`),
    "    pool: main # the pool above; add path: /api for a part of the site",
  ];
}

/** The text as it is where YAML reads it as this text, else in quotes. JSON's quotes are YAML's. */
function yamlText(text: string): string {
  const isPlain = /^[A-Za-z\d/.][\w./:;=@~+-]*$/.test(text) && readsAs(text);
  return isPlain ? text : JSON.stringify(text);
}

function readsAs(text: string): boolean {
  try {
    return parseYaml(text) === text;
  } catch {
    return false;
  }
}

/** An answer that a problem belongs to. */
export type StarterAnswer =
  "upstreams" | "host" | "certificates" | "cert" | "key" | "acme-email" | "agree" | "probe-path";

/** A problem of the rendered file. */
export interface StarterProblem {
  /** Undefined if no answer is to blame, such as a machine without a folder for state. */
  readonly answer: StarterAnswer | undefined;
  /** Without the location in a file that does not exist. */
  readonly problem: Problem;
}

export interface StarterReader extends CertificateReader {
  /** State file of a balancer without the setting. */
  readonly defaultState: string;
}

/** Checks the answers as the file that they make. */
export function starterProblems(
  answers: StarterAnswers,
  { defaultState, ...reader }: StarterReader,
): readonly StarterProblem[] {
  const file = readFileText(renderStarter(answers), defaults.configFile);
  const loaded = loadConfig({ values: [], file, ...reader, defaultState, purpose: "up" });
  if (loaded.kind !== "invalid") return [];
  return loaded.problems.slice(0, maxProblems).map(({ location: _, ...problem }) => ({
    answer: owners.find(([setting]) => setting.test(problem.action))?.[1],
    problem,
  }));
}

/** By the beginning of a problem's action. */
const owners: readonly (readonly [RegExp, StarterAnswer])[] = [
  [/^use pools\.main\.upstreams/, "upstreams"],
  [/^use pools\.main\.probe/, "probe-path"],
  [/^use routes/, "host"],
  [/^use certificates\[0\]\.cert/, "cert"],
  [/^use certificates\[0\]\.key/, "key"],
  [/^use certificates\[0\]\.acme\.email/, "acme-email"],
  [/^use certificates\[0\]\.acme\.agree/, "agree"],
  [/^use (certificates|listen)/, "certificates"],
];
