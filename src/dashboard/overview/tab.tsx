/** The browser's tab: its title and its icon say the same as the list of problems. */
/** @jsxImportSource @kitajs/html */

import { assets } from "../assets.ts";
import { formatCount } from "../../wording/format.ts";
import { countedProblems } from "../../wording/problems.ts";
import { balancerName, type DashboardState, overallStatus, seenProblems } from "../../wording/verdict.ts";

/** "(2) checkout-07 answers 30 % of its requests with 500 – fra-1 – Evenkeel" */
export function tabTitle(state: DashboardState): string {
  const problems = countedProblems(seenProblems(state));
  const [worst] = problems;
  const { headline } = overallStatus(state);
  const what = worst ? `(${problems.length}) ${worst.title}` : (headline.split(". ", 1)[0] ?? headline);
  return [what, balancerName(state), "Evenkeel"].filter((part) => part !== undefined).join(" – ");
}

/** With a red dot while clients notice a problem, with an amber one while one is open. */
export function tabIcon(state: DashboardState): string {
  const problems = countedProblems(seenProblems(state));
  if (problems.length === 0) return assets.icon.path;
  return problems.some(({ level }) => level === "critical") ? assets.iconBad.path : assets.iconWarn.path;
}

/** Names icon and number in a live fragment, which changes neither head nor navigation of the page: the script does. */
export function TabIcon({ state }: { readonly state: DashboardState }): JSX.Element {
  const { length } = countedProblems(seenProblems(state));
  return (
    <p
      id="tab-icon"
      hidden
      data-icon={tabIcon(state)}
      data-count={length === 0 ? "" : formatCount(length)}
    ></p>
  );
}
