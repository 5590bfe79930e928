/** The links to the pages: a line at the top, and a bar with the most used ones at the bottom of a phone. */
/** @jsxImportSource @kitajs/html */

import type { Snapshot } from "../../snapshot/snapshot.ts";
import { attribute } from "../responses.ts";
import { Icon, type IconName } from "./icon.tsx";
import { ProblemCount } from "./problem-count.tsx";

/** What decides which pages there are. */
export type ShownBalancer = Pick<Snapshot, "fleet" | "listeners" | "certificates" | "problems">;

interface PageLink {
  readonly name: string;
  readonly address: string;
  readonly here: string;
  /** Of the pages that stand in the bar of a phone. The others are behind "More" there. */
  readonly icon?: IconName;
}

const pages: readonly PageLink[] = [
  { name: "Overview", address: "/", here: "overview", icon: "house" },
  { name: "Requests", address: "/requests", here: "requests", icon: "list" },
  { name: "Routes", address: "/routes", here: "routes" },
  { name: "History", address: "/history", here: "history", icon: "curve" },
  { name: "Certificates", address: "/certificates", here: "certificates" },
  { name: "Alerts", address: "/alerts", here: "alerts", icon: "bell" },
  { name: "Events", address: "/events", here: "events" },
  { name: "Audit", address: "/audit", here: "audit" },
  { name: "Configuration", address: "/config", here: "config" },
];

/** Pages that show a time, or carry it on. */
const timedPages: ReadonlySet<string> = new Set([
  ...["overview", "requests", "routes"],
  ...["history", "events", "audit"],
]);

interface NavigationProps {
  /** The page that is shown. */
  readonly here: string;
  /** The query of the time shown, which the links to other pages of a time carry on. */
  readonly carried: string;
  readonly snapshot: ShownBalancer | undefined;
}

export function Navigation({ here, carried, snapshot }: NavigationProps): JSX.Element {
  const shown = pages.filter((page) => page.here === here || hasPage(snapshot, page.here));
  const others = shown.filter(({ icon }) => icon === undefined);
  // An older balancer has no list.
  const { problems = [] } = snapshot ?? {};
  const link = (page: PageLink) => (
    <Link page={page} isHere={page.here === here} carried={carried}>
      {page.here === "overview" ? <ProblemCount problems={problems} /> : ""}
    </Link>
  );
  return (
    <nav class="pages" aria-label="Pages">
      {shown.map(link)}
      <button
        type="button"
        class="more-pages"
        id="more-pages"
        popovertarget="other-pages"
        data-here={others.some((page) => page.here === here) ? "yes" : "no"}
      >
        <Icon name="dots" />
        More
      </button>
      <div class="other-pages" id="other-pages" popover="auto">
        {others.map(link)}
      </div>
    </nav>
  );
}

interface LinkProps {
  readonly page: PageLink;
  readonly isHere: boolean;
  readonly carried: string;
  readonly children: JSX.Element;
}

function Link({ page: { name, address, here, icon }, isHere, carried, children }: LinkProps): JSX.Element {
  const target = carried !== "" && timedPages.has(here) ? `${address}?${carried}` : address;
  return (
    <a
      href={attribute(target)}
      class={icon === undefined ? "page" : "page main-page"}
      {...(isHere ? { "aria-current": "page" } : {})}
    >
      {icon === undefined ? "" : <Icon name={icon} />}
      {name}
      {children}
    </a>
  );
}

/** Certificates are nothing to a balancer without TLS. */
function hasPage(snapshot: ShownBalancer | undefined, here: string): boolean {
  return here !== "certificates" || hasTls(snapshot);
}

/** Whether clients may use TLS. A balancer of an older version does not list its listeners. */
function hasTls({ listeners = [], certificates }: Partial<ShownBalancer> = {}): boolean {
  return certificates !== undefined || listeners.some(({ tls }) => tls);
}
