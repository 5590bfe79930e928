/** Schema of a problem: what is wrong, whom it hits, why, and what to do. */

import { Type } from "@sinclair/typebox";
import type { Role } from "../../access/accounts.ts";
import { problemKinds, problemLevels, type ProblemEnd, type ServiceProblem } from "../../problems/problem.ts";
import { boolean, count, list, nullable, numberSchema, oneOf, textSchema } from "./parts.ts";

const time = (description: string) =>
  Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$", description: `${description} RFC 3339, UTC.` });

const kindSchema = oneOf(problemKinds.slice(), "What is wrong; docs/problems.md describes each kind.");
const levelSchema = oneOf(
  problemLevels.slice(),
  "`critical`: clients notice now. `warning`: it serves, with less than it could or not for long. `notice`: nothing is wrong yet.",
);

const shareSchema = nullable(
  Type.Number({ minimum: 0, maximum: 1 }),
  "Requests that fail at clients because of it ÷ requests of the pool; null without requests.",
);

const hitsSchema = Type.Object(
  {
    words: textSchema("Whom it hits: `1 in 40 requests, 13,020 so far`."),
    routes: list(
      Type.String(),
      "Names, or hosts and paths, of the routes that it hits, at most five, the most failures first.",
    ),
    share: shareSchema,
    perSecond: numberSchema("Requests that fail at clients because of it, each second."),
    requests: count("Requests that have failed at clients since it began."),
  },
  { title: "ProblemHits" },
);

const causeSchema = Type.Object(
  {
    words: textSchema("Why it happens, with evidence; `Not known yet.` without."),
    code: nullable(Type.String(), "One word for programs; null where the cause is not known."),
    event: nullable(Type.Number(), "Number of the event that is the evidence; null without one."),
  },
  { title: "ProblemCause" },
);

const verbSchema = oneOf<ServiceProblem["do"]["verb"]>(
  ["drain", "maintenance", "ready", "weight", "reload", "certificates", "dismiss", "read"],
  "A command of this API, or `read`: something to look at.",
);

const actKeys = {
  label: textSchema("Of a button; it ends with `…` if the act needs another look."),
  verb: verbSchema,
  upstream: nullable(Type.String(), "The upstream that the command is for; null for other acts."),
  safe: boolean(
    "False if the act would leave a pool without upstreams, or its peers with more than they can be expected to carry.",
  ),
  role: oneOf<Role>(["viewer", "operator", "admin"], "The least role that may do it."),
  command: nullable(Type.String(), "The same on the command line; null where there is no command."),
};

const adviceSchema = Type.Object(
  {
    ...actKeys,
    words: textSchema("What to do, and what would follow."),
    beside: nullable(Type.Object(actKeys, { title: "ProblemAct" }), "The second best act; null without one."),
  },
  { title: "ProblemAdvice" },
);

const measureSchema = Type.Object(
  {
    value: Type.Number({ description: "The number behind the problem; shares 0–1, times in milliseconds." }),
    peers: nullable(Type.Number(), "Median of its peers, or what is usual; null without a comparison."),
    enter: Type.Number({ description: "It opens at this value." }),
    leave: Type.Number({ description: "It closes below this value." }),
    window: textSchema("Window of the value: `30s`."),
    n: nullable(Type.Number(), "Requests in the window; null where it is not counted in requests."),
  },
  { title: "ProblemMeasure" },
);

const linksSchema = Type.Object(
  {
    self: textSchema("The problem on the dashboard."),
    requests: nullable(Type.String(), "Its requests on the dashboard; null without any."),
    history: nullable(Type.String(), "Its time on the dashboard; null without one."),
  },
  { title: "ProblemLinks", description: "Paths of the dashboard." },
);

const partSchema = Type.Object(
  {
    id: textSchema("Id."),
    kind: kindSchema,
    level: levelSchema,
    title: textSchema("One sentence."),
    since: time("When its condition began."),
    upstream: nullable(Type.String(), "The upstream; null for a whole pool."),
  },
  { title: "ProblemPart" },
);

export const problemSubjectSchema = Type.Object(
  {
    balancer: textSchema("Name of the balancer that found it."),
    pool: nullable(Type.String(), "The pool; null for the whole balancer."),
    upstream: nullable(Type.String(), "The upstream; null for a whole pool."),
    certificate: nullable(Type.String(), "A host of the certificate; null for other problems."),
    peer: nullable(Type.String(), "Name of another balancer of the fleet; null for other problems."),
    address: nullable(Type.String(), "The public address; null for other problems."),
  },
  { title: "ProblemSubject" },
);

export const serviceProblemSchema = Type.Object(
  {
    id: textSchema("Stays the same when the problem comes back within ten minutes, and across a restart."),
    kind: kindSchema,
    level: levelSchema,
    state: oneOf<ServiceProblem["state"]>(["open", "closed"], "Whether it is still there."),
    title: textSchema(
      "One sentence without a full stop; its numbers are rounded and change only with the matter.",
    ),
    since: time("When its condition began."),
    openedAt: time("When it was listed first."),
    closedAt: nullable(time("When it ended."), "Null while it is open."),
    end: nullable(
      Type.Object(
        {
          words: textSchema("`Closed after 17 min`."),
          code: oneOf<ProblemEnd["code"]>(
            ["over", "released", "dismissed", "no_traffic"],
            "`released`: an operator took the upstream out. `dismissed`: by an operator. `no_traffic`: ten minutes with too few requests.",
          ),
        },
        { title: "ProblemEnd" },
      ),
      "How it ended; null while it is open.",
    ),
    reopened: count("How often it came back within ten minutes of its end."),
    onAndOff: boolean("It comes and goes, and stays open until ten minutes are quiet."),
    subject: problemSubjectSchema,
    seenBy: list(Type.String(), "Balancers that see it."),
    hits: hitsSchema,
    cause: causeSchema,
    do: adviceSchema,
    measure: nullable(measureSchema, "Null for what has no number."),
    links: linksSchema,
    silenced: nullable(
      Type.Object(
        {
          until: time("End of the silence."),
          by: textSchema("Actor."),
          why: textSchema("The actor's reason."),
        },
        { title: "ProblemSilence" },
      ),
      "Set while its alerts are silenced.",
    ),
    rehearsed: boolean("A fault injection causes it."),
    parts: list(partSchema, "Problems with the same cause, which are not listed themselves; at most fifty."),
  },
  { title: "ServiceProblem" },
);

export const problemsSchema = Type.Object(
  {
    problems: list(
      serviceProblemSchema,
      "The open ones first, worst first; then the closed ones, the latest first.",
    ),
  },
  { title: "Problems" },
);
