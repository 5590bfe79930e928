/** The style sheet, script and icon: embedded text, each under a path that contains a hash of its content. */

import { createHash } from "node:crypto";
import htmxSse from "htmx.org/dist/ext/hx-sse.min.js" with { type: "text" };
import htmx from "htmx.org/dist/htmx.min.js" with { type: "text" };
import chartStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import uPlot from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import style from "../../public/app.css" with { type: "text" };
import alertStyle from "../../public/alerts.css" with { type: "text" };
import historyStyle from "../../public/history.css" with { type: "text" };
import historyScript from "../../public/history.js" with { type: "text" };
import rangePlot from "../../public/range-plot.js" with { type: "text" };
import timeAxis from "../../public/time-axis.js" with { type: "text" };
import actionStyle from "../../public/actions.css" with { type: "text" };
import actionScript from "../../public/actions.js" with { type: "text" };
import tableStyle from "../../public/tables.css" with { type: "text" };
import routeStyle from "../../public/routes.css" with { type: "text" };
import certificateStyle from "../../public/certificates.css" with { type: "text" };
import eventStyle from "../../public/events.css" with { type: "text" };
import fleetStyle from "../../public/fleet.css" with { type: "text" };
import configStyle from "../../public/config.css" with { type: "text" };
import loginStyle from "../../public/login.css" with { type: "text" };
import requestStyle from "../../public/requests.css" with { type: "text" };
import requestScript from "../../public/requests.js" with { type: "text" };
import script from "../../public/dashboard.js" with { type: "text" };
import icon from "../../public/icon.svg" with { type: "text" };
import iconBad from "../../public/icon-bad.svg" with { type: "text" };
import iconWarn from "../../public/icon-warn.svg" with { type: "text" };
import navigationStyle from "../../public/navigation.css" with { type: "text" };
import overviewStyle from "../../public/overview.css" with { type: "text" };
import upstreamStyle from "../../public/upstream.css" with { type: "text" };
import trafficScript from "../../public/traffic.js" with { type: "text" };
import settingScript from "../../public/settings.js" with { type: "text" };
import zoneScript from "../../public/zone.js" with { type: "text" };
import darkStyle from "../../public/dark.css" with { type: "text" };
import viewMenuStyle from "../../public/view-menu.css" with { type: "text" };
import keyScript from "../../public/keys.js" with { type: "text" };
import keyStyle from "../../public/keys.css" with { type: "text" };
import problemScript from "../../public/problems.js" with { type: "text" };
import problemStyle from "../../public/problems.css" with { type: "text" };
import serverScript from "../../public/servers.js" with { type: "text" };
import serverStyle from "../../public/servers.css" with { type: "text" };
import poolRowStyle from "../../public/pool-rows.css" with { type: "text" };
import serverWidthStyle from "../../public/servers-widths.css" with { type: "text" };

interface Asset {
  /** Absolute path with the content's hash. */
  readonly path: string;
  readonly type: string;
  readonly text: string;
}

function asset(name: string, extension: string, type: string, text: string): Asset {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return { path: `/assets/${name}.${hash}.${extension}`, type, text };
}

/** Scripts are one file: if htmx and its extension loaded in the wrong order, the live stream would silently not start. */
export const assets = {
  style: asset(
    "app",
    "css",
    "text/css; charset=utf-8",
    [
      chartStyle,
      style,
      loginStyle,
      actionStyle,
      eventStyle,
      tableStyle,
      routeStyle,
      certificateStyle,
      fleetStyle,
      alertStyle,
      requestStyle,
      configStyle,
      historyStyle,
      problemStyle,
      overviewStyle,
      upstreamStyle,
      serverStyle,
      poolRowStyle,
      serverWidthStyle,
      navigationStyle,
      viewMenuStyle,
      keyStyle,
    ].join("\n"),
  ),
  script: asset(
    "app",
    "js",
    "text/javascript; charset=utf-8",
    [
      htmx,
      htmxSse,
      uPlot,
      script,
      actionScript,
      requestScript,
      timeAxis,
      zoneScript,
      rangePlot,
      historyScript,
      trafficScript,
      problemScript,
      serverScript,
      keyScript,
    ].join(";\n"),
  ),
  dark: asset("dark", "css", "text/css; charset=utf-8", darkStyle),
  /** Of every document. It is apart because it is small: the page is not drawn before it has run. */
  settings: asset("settings", "js", "text/javascript; charset=utf-8", settingScript),
  icon: asset("icon", "svg", "image/svg+xml", icon),
  iconWarn: asset("icon-warn", "svg", "image/svg+xml", iconWarn),
  iconBad: asset("icon-bad", "svg", "image/svg+xml", iconBad),
} as const;

const byPath: ReadonlyMap<string, Asset> = new Map(Object.values(assets).map((entry) => [entry.path, entry]));

/** The asset, cacheable for a year; undefined for an unknown path. */
export function assetResponse(path: string): Response | undefined {
  const found = byPath.get(path);
  if (!found) return undefined;
  return new Response(found.text, {
    headers: { "Content-Type": found.type, "Cache-Control": "public, max-age=31536000, immutable" },
  });
}
