/** `evenkeel init`: asks a few questions, or takes the flags as answers, and writes a commented configuration file. */

import {
  closeSync,
  existsSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

import {
  certificateKindIn,
  certificatesOf,
  type InitRequest,
  kindProblem,
  missingFlags,
} from "../cli/init-flags.ts";
import { defaults } from "../config/config.ts";
import { type Problem, problemSentence, quote } from "../config/problem.ts";
import {
  renderStarter,
  type StarterAnswers,
  type StarterCertificates,
  starterProblems,
  type StarterReader,
  termsUrl,
} from "../config/starter.ts";
import { splitUpstreams } from "../config/upstreams.ts";
import type { Reply } from "./admin-call.ts";
import { type LineSource, Questions } from "./questions.ts";

export interface InitContext {
  readonly reader: StarterReader;
  readonly source: LineSource;
  /** Beside the name of a draft: two commands at a time must not share it. */
  readonly pid: number;
}

/** Writes the file and says what to run next, or says everything that prevents it. Asks only on a terminal. */
export async function initialize(request: InitRequest, { reader, source, pid }: InitContext): Promise<Reply> {
  const isAsking = request.upstreams === undefined && source.isTerminal;
  const given = isAsking ? await askFor(request, new Questions(source), reader) : request;
  if (!given) return { text: "Nothing was written: the input ended before the last question.", exitCode: 2 };
  const problems = problemsOf(given, reader);
  if (problems.length > 0) return { text: problems.map(problemSentence).join("\n"), exitCode: 2 };
  const { path = defaults.configFile } = given;
  const answers = answersOf(given);
  const why = writeFile(path, renderStarter(answers), given.isForced ? pid : undefined);
  if (why !== undefined)
    return { text: problemSentence({ action: "write the file", why, received: quote(path) }), exitCode: 2 };
  return { text: nextSteps(path, answers), exitCode: 0 };
}

function answersOf(request: InitRequest): StarterAnswers {
  const { upstreams = [], hosts = [], probePath } = request;
  return {
    upstreams,
    hosts,
    certificates: certificatesOf(request),
    probePath: probePath === "" ? undefined : probePath,
  };
}

/** All that prevents a file, with the flags to change. */
function problemsOf(request: InitRequest, reader: StarterReader): readonly Problem[] {
  const { path = defaults.configFile, isForced } = request;
  const missing = missingFlags(request);
  const why = pathProblem(path, isForced);
  const pathProblems = why === undefined ? [] : [{ action: "use --out", why, received: quote(path) }];
  if (missing.length > 0) {
    const action = "write a configuration";
    const why = `nothing is asked here, and there is no answer without ${missing.join(", ")}; see evenkeel init --help`;
    return [{ action, why }, ...pathProblems];
  }
  const found = starterProblems(answersOf(request), reader).map(({ answer, problem }) =>
    answer === undefined ? problem : { ...problem, action: `use --${answer}` },
  );
  return [...found, ...pathProblems];
}

/** Asks for what the flags leave open; undefined if the input ended. */
async function askFor(
  request: InitRequest,
  questions: Questions,
  reader: StarterReader,
): Promise<InitRequest | undefined> {
  let answers: StarterAnswers = {
    upstreams: [defaultUpstream],
    hosts: [],
    certificates: { kind: "none" },
    probePath: undefined,
  };
  /** The problems of what is answered so far: those of the last answer, since the others had none. */
  const problemsWith = (change: Partial<StarterAnswers>) =>
    starterProblems({ ...answers, ...change }, reader).map(({ problem }): Problem => ({
      ...problem,
      action: "use this answer",
    }));
  const list = (key: "upstreams" | "hosts") => (text: string) =>
    problemsWith({ [key]: splitUpstreams(text) });

  const upstreams = await questions.ask({
    text: "URLs of your servers, separated by commas",
    fallback: defaultUpstream,
    problems: list("upstreams"),
  });
  if (upstreams === undefined) return undefined;
  answers = { ...answers, upstreams: splitUpstreams(upstreams) };

  const hosts =
    request.hosts?.join(",") ??
    (await questions.ask({
      text: "Host names of the site, separated by commas",
      fallback: "",
      shown: "every host",
      problems: list("hosts"),
    }));
  if (hosts === undefined) return undefined;
  answers = { ...answers, hosts: splitUpstreams(hosts) };

  const certificates = await askForCertificates(request, answers, questions, problemsWith);
  if (certificates === undefined) return undefined;

  const probePath =
    request.probePath ??
    (await questions.ask({
      text: "Path for health checks, such as /healthz",
      fallback: "",
      shown: "TCP connect",
      problems: (text) => problemsWith({ probePath: text === "" ? undefined : text }),
    }));
  if (probePath === undefined) return undefined;

  const path =
    request.path ??
    (await questions.ask({
      text: "File to write",
      fallback: request.isForced ? defaults.configFile : freePath(defaults.configFile),
      problems(text) {
        const why = pathProblem(text, request.isForced);
        return why === undefined ? [] : [{ action: "use this answer", why, received: quote(text) }];
      },
    }));
  if (path === undefined) return undefined;
  return { ...request, upstreams: answers.upstreams, hosts: answers.hosts, ...certificates, probePath, path };
}

const defaultUpstream = defaults.pool.upstreams[0] ?? "";

type CertificateAnswers = Pick<InitRequest, "kind" | "cert" | "key" | "email" | "isAgreed">;

/** One question, and for files and Let's Encrypt two that follow from it. */
async function askForCertificates(
  { kind: givenKind, cert: givenCert, key: givenKey, email: givenEmail, isAgreed: wasAgreed }: InitRequest,
  { hosts }: StarterAnswers,
  questions: Questions,
  problemsWith: (change: Partial<StarterAnswers>) => readonly Problem[],
): Promise<CertificateAnswers | undefined> {
  const none = { cert: undefined, key: undefined, email: undefined, isAgreed: false };
  let kind = givenKind;
  for (;;) {
    const text =
      kind ??
      (await questions.ask({
        text: "Certificates: none, files, or acme (Let's Encrypt)",
        fallback: "none",
        problems(answer) {
          if (certificateKindIn(answer) === undefined) return [kindProblem("use this answer", answer)];
          const needsHost = answer === "acme" && !hosts.some((host) => !host.startsWith("*."));
          const why = "Let's Encrypt certifies single hosts, and the site has no host name without *";
          return needsHost ? [{ action: "use this answer", why }] : [];
        },
      }));
    if (text === undefined) return undefined;
    kind = certificateKindIn(text);
    if (kind === "files") {
      const cert =
        givenCert ?? (await questions.ask({ text: "Certificate, a PEM file", fallback: defaultCert }));
      if (cert === undefined) return undefined;
      const fallback = cert.replace(/fullchain(\.pem)$|\.(crt|pem)$/, (_, end?: string) =>
        end ? `privkey${end}` : ".key",
      );
      const key = givenKey ?? (await questions.ask({ text: "Its private key, a PEM file", fallback }));
      if (key === undefined) return undefined;
      const problems = problemsWith({ certificates: { kind, cert, key } });
      if (problems.length === 0) return { ...none, kind, cert, key };
      questions.refuse(problems);
    } else if (kind === "acme") {
      const email =
        givenEmail ??
        (await questions.ask({
          text: "Email address for Let's Encrypt",
          fallback: "",
          shown: "none",
          problems: (address) => problemsWith({ certificates: acmeWith(address) }),
        }));
      if (email === undefined) return undefined;
      const agreed = wasAgreed
        ? "yes"
        : await questions.ask({ text: `Do you agree to its terms, ${termsUrl}? yes or no`, fallback: "no" });
      if (agreed === undefined) return undefined;
      if (/^y(es)?$/i.test(agreed)) return { ...none, kind, email, isAgreed: true };
      questions.say("Without agreement Let's Encrypt issues no certificate.");
    } else return { ...none, kind: "none" };
    kind = undefined;
  }
}

const defaultCert = "/etc/evenkeel/fullchain.pem";

function acmeWith(email: string): StarterCertificates {
  return { kind: "acme", email: email === "" ? undefined : email, isAgreed: true };
}

function pathProblem(path: string, isForced: boolean): string | undefined {
  if (path === "") return "expected a file name";
  if (!existsSync(dirname(path))) return "its folder does not exist";
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  if (!found.isFile()) return "it exists and is no file";
  return isForced ? undefined : "the file exists; choose another name, or --force to replace it";
}

/** The path, or the first of PATH-2, PATH-3 and so on that does not exist. */
function freePath(path: string): string {
  const [, stem = path, end = ""] = /^(.*?)(\.\w+)?$/.exec(path) ?? [];
  let free = path;
  for (let number = 2; existsSync(free); number++) free = `${stem}-${number}${end}`;
  return free;
}

/**
 * Creates the file, or replaces it in one step. Returns why it cannot.
 * @param replacer process id if an existing file may be replaced
 */
function writeFile(path: string, text: string, replacer: number | undefined): string | undefined {
  let draft: string | undefined;
  try {
    if (replacer === undefined || !existsSync(path)) {
      writeFileSync(path, text, { flag: "wx" });
      return undefined;
    }
    // A link goes on to lead to the file, which keeps its mode.
    const target = realpathSync(path);
    const name = `${target}.${replacer}.new`;
    closeSync(openSync(name, "wx", statSync(target).mode & 0o777));
    draft = name;
    writeFileSync(draft, text);
    renameSync(draft, target);
    return undefined;
  } catch (error) {
    if (draft !== undefined) rmSync(draft, { force: true });
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return code === "EEXIST"
      ? "the file exists"
      : code === "EACCES"
        ? "permission denied"
        : `system error ${code}`;
  }
}

function nextSteps(path: string, { certificates }: StarterAnswers): string {
  const flag = path === defaults.configFile ? "" : ` --config ${shellWord(path)}`;
  const { port } = defaults.listen;
  const where = certificates.kind === "none" ? `http://localhost:${port}` : "ports 80 and 443";
  const { port: dashboardPort } = defaults.dashboard;
  return [
    `Wrote ${path}. Next:`,
    `  evenkeel check${flag}   # shows every setting that results`,
    `  evenkeel up${flag}      # balancer on ${where}, dashboard on http://localhost:${dashboardPort}`,
  ].join("\n");
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
