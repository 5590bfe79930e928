/** Declares files that are imported as text, which embeds them in the executable. */

declare module "*.css" {
  const text: string;
  export default text;
}

declare module "*.svg" {
  const text: string;
  export default text;
}

declare module "*/public/dashboard.js" {
  const text: string;
  export default text;
}

declare module "*/public/history.js" {
  const text: string;
  export default text;
}

declare module "*/public/range-plot.js" {
  const text: string;
  export default text;
}

declare module "*/public/traffic.js" {
  const text: string;
  export default text;
}

declare module "*/public/time-axis.js" {
  const text: string;
  export default text;
}

declare module "*/public/requests.js" {
  const text: string;
  export default text;
}

declare module "*/public/settings.js" {
  const text: string;
  export default text;
}

declare module "*/public/keys.js" {
  const text: string;
  export default text;
}

declare module "*/public/zone.js" {
  const text: string;
  export default text;
}

declare module "*/public/problems.js" {
  const text: string;
  export default text;
}

declare module "*/public/actions.js" {
  const text: string;
  export default text;
}

declare module "uplot/dist/uPlot.iife.min.js" {
  const text: string;
  export default text;
}

declare module "htmx.org/dist/htmx.min.js" {
  const text: string;
  export default text;
}

declare module "htmx.org/dist/ext/hx-sse.min.js" {
  const text: string;
  export default text;
}

declare module "*/public/servers.js" {
  const text: string;
  export default text;
}
