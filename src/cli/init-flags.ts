/** The flags of `evenkeel init`, and the answers that they give. */

import { defaults } from "../config/config.ts";
import { closestWord, type Problem, quote } from "../config/problem.ts";
import type { StarterAnswers, StarterCertificates } from "../config/starter.ts";
import { splitUpstreams } from "../config/upstreams.ts";
import type { VerbFlag } from "./verbs.ts";

export const certificateKinds = ["none", "files", "acme"] as const;
export type CertificateKind = (typeof certificateKinds)[number];

export const initFlags: readonly VerbFlag[] = [
  {
    name: "--upstreams",
    value: "<urls>",
    isList: true,
    summary: "comma-separated URLs of your servers; with this flag nothing is asked",
  },
  {
    name: "--host",
    value: "<names>",
    isList: true,
    summary: "comma-separated host names of the site (default: every host)",
  },
  {
    name: "--certificates",
    value: "<kind>",
    summary: "none, files, or acme for Let's Encrypt (default: none, or what the next flags need)",
  },
  { name: "--cert", value: "<file>", summary: "files: the certificate, PEM" },
  { name: "--key", value: "<file>", summary: "files: its private key, PEM" },
  { name: "--acme-email", value: "<address>", summary: "acme: contact of the account (default: none)" },
  { name: "--agree", value: "", summary: "acme: you agree to the terms of Let's Encrypt" },
  {
    name: "--probe-path",
    value: "<path>",
    summary: "health check with GET of this path (default: TCP connect)",
  },
  { name: "--out", value: "<file>", summary: `file to write (default: ${defaults.configFile})` },
  { name: "--force", value: "", summary: "replace the file if it exists" },
];

export const initNotes = `On a terminal it asks for what no flag says. With --upstreams, or without a terminal, it asks
nothing: what no flag says has its default.

Example: evenkeel init --upstreams http://10.0.0.1:8080,http://10.0.0.2:8080 --host shop.example.com`;

/** What the flags say; undefined for what they leave open. */
export interface InitRequest {
  readonly upstreams: StarterAnswers["upstreams"] | undefined;
  readonly hosts: StarterAnswers["hosts"] | undefined;
  readonly kind: CertificateKind | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly email: string | undefined;
  readonly isAgreed: boolean;
  /** Empty for a TCP connect. */
  readonly probePath: string | undefined;
  readonly path: string | undefined;
  readonly isForced: boolean;
}

/** @param written raw values of the flags, by name */
export function readInit(written: ReadonlyMap<string, string>): InitRequest | readonly Problem[] {
  const list = (name: string) => {
    const text = written.get(name);
    return text === undefined ? undefined : splitUpstreams(text);
  };
  const problems: Problem[] = [];
  const given = written.get("--certificates");
  const kind = certificateKindIn(given ?? impliedKind(written));
  if (given !== undefined && kind === undefined) problems.push(kindProblem("use --certificates", given));
  for (const [name, needed] of Object.entries(kindOfFlag)) {
    if (!written.has(name) || kind === undefined || kind === needed) continue;
    problems.push({ action: `use ${name}`, why: `it belongs to --certificates ${needed}, not ${kind}` });
  }
  if (problems.length > 0) return problems;
  return {
    upstreams: list("--upstreams"),
    hosts: list("--host"),
    kind,
    cert: written.get("--cert"),
    key: written.get("--key"),
    email: written.get("--acme-email"),
    isAgreed: written.has("--agree"),
    probePath: written.get("--probe-path"),
    path: written.get("--out"),
    isForced: written.has("--force"),
  };
}

const kindOfFlag: Readonly<Record<string, CertificateKind>> = {
  "--cert": "files",
  "--key": "files",
  "--acme-email": "acme",
  "--agree": "acme",
};

function impliedKind(written: ReadonlyMap<string, string>): CertificateKind | undefined {
  return Object.entries(kindOfFlag).find(([name]) => written.has(name))?.[1];
}

export function certificateKindIn(text: string | undefined): CertificateKind | undefined {
  return certificateKinds.find((kind) => kind === text);
}

export function kindProblem(action: string, text: string): Problem {
  const suggestion = closestWord(text, certificateKinds);
  const why = `expected ${certificateKinds.slice(0, -1).join(", ")} or ${certificateKinds.at(-1)}`;
  return { action, why, received: quote(text), suggestion };
}

/** The certificates of a request that leaves nothing open. Missing files are empty names, which the check rejects. */
export function certificatesOf({
  kind = "none",
  cert,
  key,
  email,
  isAgreed,
}: InitRequest): StarterCertificates {
  if (kind === "none") return { kind };
  if (kind === "files") return { kind, cert: cert ?? "", key: key ?? "" };
  return { kind, email: email === "" ? undefined : email, isAgreed };
}

/** The flags without which there is no file and no default. */
export function missingFlags({
  upstreams,
  hosts,
  kind,
  cert,
  key,
  isAgreed,
}: InitRequest): readonly string[] {
  return [
    ...(upstreams === undefined ? ["--upstreams"] : []),
    ...(kind === "files" && cert === undefined ? ["--cert"] : []),
    ...(kind === "files" && key === undefined ? ["--key"] : []),
    ...(kind === "acme" && (hosts ?? []).length === 0 ? ["--host"] : []),
    ...(kind === "acme" && !isAgreed ? ["--agree"] : []),
  ];
}
