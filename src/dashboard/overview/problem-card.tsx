/** One problem in full: level, title, since when, who is hit, why, and what to do with its button. */
/** @jsxImportSource @kitajs/html */

import { panelForm } from "../actions/menu.tsx";
import { Moment, ZoneName } from "../history/moment.tsx";
import { HiddenFields, PostForm } from "../layout/forms.tsx";
import { Icon } from "../layout/icon.tsx";
import { levelTones, levelWords, ToneMark } from "../layout/tone-mark.tsx";
import { locationFields } from "../location.ts";
import { anchorOf, attribute } from "../responses.ts";
import { addressOf, LinksOfProblem, problemRoutesAddress } from "./problem-links.tsx";
import type { AdviceVerb, ProblemAct, ServiceProblem } from "../../problems/problem.ts";
import { formatAgo, formatDatedTime } from "../../wording/format.ts";
import { seenByText } from "../../wording/problems.ts";
import type { View } from "../view.ts";

interface CardProps {
  readonly problem: ServiceProblem;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  readonly view: View;
  /** The small chart, as an item of the list of facts. */
  readonly chart: JSX.Element;
}

export function ProblemCard({ problem, now, view, chart }: CardProps): JSX.Element {
  const { id, level, title, hits, cause, silenced } = problem;
  const since = Date.parse(problem.since);
  const name = `${anchorOf("problem", id)}-name`;
  return (
    <li
      class="problem"
      id={anchorOf("problem", id)}
      data-tone={levelTones[level]}
      data-sought={view.problem === id ? "yes" : "no"}
      aria-labelledby={name}
    >
      <ToneMark tone={levelTones[level]} />
      <div class="problem-head">
        <h2 id={name}>
          <span class="level">{levelWords[level]}</span>{" "}
          <a href={attribute(addressOf(problem))} safe>
            {title}
          </a>
        </h2>
        <LinksOfProblem problem={problem} />
        {silenced ? (
          <span class="silenced" title={attribute(silenced.why)} safe>
            {`Silenced by ${silenced.by} until ${formatDatedTime(Date.parse(silenced.until), now)}`}
          </span>
        ) : (
          ""
        )}
      </div>
      <dl class="problem-facts">
        <div>
          <dt>Since</dt>
          <dd>
            <Moment at={since} /> <ZoneName />{" "}
            <span class="quiet" aria-hidden="true" safe>
              {formatAgo(now - since)}
            </span>{" "}
            <span class="quiet" safe>
              {seenByText(problem)}
            </span>
          </dd>
        </div>
        <div>
          <dt>Who is hit</dt>
          <dd>
            {hits.routes.length > 0 ? (
              <a href={attribute(problemRoutesAddress(problem))} safe>
                {routesText(hits.routes)}
              </a>
            ) : (
              ""
            )}{" "}
            <span class="quiet line-of-its-own" safe>
              {hits.words}
            </span>
          </dd>
        </div>
        <div>
          <dt>Likely cause</dt>
          <dd safe>{cause.words}</dd>
        </div>
        <div>
          <dt>Do this</dt>
          <dd safe>{problem.do.words}</dd>
        </div>
        {chart}
      </dl>
      <div class="problem-acts">
        <Act act={problem.do} problem={problem} view={view} isMain />
        {problem.do.beside ? <SecondAct act={problem.do.beside} problem={problem} view={view} /> : ""}
      </div>
    </li>
  );
}

const routesShown = 2;

/** "shop.example.com/checkout, /pay and 1 more": a host is named once. */
function routesText(routes: readonly string[]): string {
  const more = routes.length - routesShown;
  const shown = routes.slice(0, routesShown).map((route, index) => {
    const host = hostOf(route);
    return index > 0 && host !== "" && host === hostOf(routes[index - 1] ?? "")
      ? route.slice(host.length)
      : route;
  });
  return `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Empty for a route that has a name. */
function hostOf(route: string): string {
  return route.includes("/") ? route.slice(0, route.indexOf("/")) : "";
}

interface ActProps {
  readonly act: ProblemAct;
  readonly problem: ServiceProblem;
  readonly view: View;
  readonly isMain?: boolean;
}

const upstreamVerbs: ReadonlySet<AdviceVerb> = new Set(["drain", "maintenance", "ready", "weight"]);

/** The second best act, in a menu beside the button. */
function SecondAct({ act, problem, view }: Omit<ActProps, "isMain">): JSX.Element {
  const menu = anchorOf("problem-menu", problem.id);
  return (
    <>
      <button
        type="button"
        class="dots"
        popovertarget={menu}
        id={`${menu}-button`}
        aria-label={attribute(`What else to do: ${act.label}`)}
        title={attribute(act.label)}
      >
        <Icon name="dots" />
      </button>
      <div class="popover menu" id={menu} popover="auto">
        <Act act={act} problem={problem} view={view} />
      </div>
    </>
  );
}

/** A command opens its confirmation, which shows what follows; everything else is a link. */
function Act({ act, problem, view, isMain = false }: ActProps): JSX.Element {
  const { label, verb, upstream, role } = act;
  const kind = isMain ? "button main" : "button";
  if (verb === "dismiss") {
    return (
      <PostForm
        action="/problems/dismiss"
        fields={{ problem: problem.id }}
        id={anchorOf("act", `${problem.id}-${verb}`)}
      >
        <button type="submit" class={kind} safe>
          {label}
        </button>
      </PostForm>
    );
  }
  if (upstream === null || !upstreamVerbs.has(verb)) {
    const needs = role === "viewer" ? {} : { "data-needs": role };
    return (
      <a class={kind} href={attribute(verb === "reload" ? "/config" : addressOf(problem))} {...needs} safe>
        {label}
      </a>
    );
  }
  const fields = {
    act: verb,
    upstream,
    reason: problem.id,
    ...locationFields({ page: "overview", view }),
  };
  return (
    <form {...panelForm} data-needs={role} id={anchorOf("act", `${problem.id}-${verb}-${upstream}`)}>
      <HiddenFields fields={fields} />
      <button type="submit" class={kind} id={anchorOf("do", `${problem.id}-${verb}-${upstream}`)} safe>
        {label}
      </button>
    </form>
  );
}
