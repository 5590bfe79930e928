/** An alert as a message for an incoming webhook of Slack, in blocks (Slack, "Block Kit"). */

import type { Alert, AlertMessage, AlertType } from "../extension/alert-format.ts";
import type { ProblemLevel, ServiceProblem } from "../problems/problem.ts";

const marks: Readonly<Record<ProblemLevel, string>> = {
  critical: ":red_circle:",
  warning: ":large_orange_circle:",
  notice: ":large_blue_circle:",
};

const verbs: Readonly<Record<AlertType, string>> = {
  "problem.opened": "Opened",
  "problem.worse": "Worse",
  "problem.closed": "Closed",
  test: "Test",
};

/** A section takes 3,000 characters, and this many routes say enough. */
const maxText = 2_900;
const maxRoutes = 3;

export function slackMessage(alert: Alert): AlertMessage {
  const { type, url, problem } = alert;
  const isOver = type === "problem.closed";
  const mark = isOver ? ":white_check_mark:" : marks[problem.level];
  const verb = isOver ? (problem.end?.words ?? verbs[type]) : `${verbs[type]}, ${problem.level}`;
  const details = isOver || type === "test" ? [] : detailsOf(problem);
  const blocks = [
    section(`${mark} *${escaped(verb)}:* ${escaped(problem.title)}`),
    ...details.map(section),
    { type: "context", elements: [{ type: "mrkdwn", text: cut(contextOf(alert)) }] },
    ...(url === null ? [] : [linkTo(url)]),
  ];
  // Shown in notifications, where blocks are not.
  return { body: JSON.stringify({ text: cut(`${verb}: ${escaped(problem.title)}`), blocks }) };
}

function detailsOf({ hits, cause, do: advice }: ServiceProblem): readonly string[] {
  const routes = hits.routes.slice(0, maxRoutes).join(", ");
  return [
    `*Who is hit:* ${escaped(hits.words)}${routes === "" ? "" : `\n${escaped(routes)}`}`,
    `*Why:* ${escaped(cause.words)}`,
    `*What to do:* ${escaped(advice.words)}${advice.command === null ? "" : `\n\`${escaped(advice.command).replaceAll("`", "'")}\``}`,
  ];
}

function contextOf({ balancer, problem: { id, since, subject } }: Alert): string {
  const { pool, upstream, certificate } = subject;
  const parts = [
    ...(pool === null ? [] : [`pool ${pool}`]),
    ...(upstream === null ? [] : [`upstream ${upstream}`]),
    ...(certificate === null ? [] : [`certificate ${certificate}`]),
    `since ${since.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC")}`,
    balancer,
    id,
  ];
  return escaped(parts.join(" · "));
}

function section(text: string): object {
  return { type: "section", text: { type: "mrkdwn", text: cut(text) } };
}

function linkTo(url: string): object {
  const text = { type: "plain_text", text: "Open the dashboard" };
  return { type: "actions", elements: [{ type: "button", text, url }] };
}

/** The three characters that Slack reads as markup: names come from configurations and reasons from outside. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function cut(text: string): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText)}…`;
}
