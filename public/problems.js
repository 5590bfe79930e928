/* Keeps the list of problems calm: the icon of the tab and the number in the navigation follow it, and nothing moves under the pointer or the focus. */
(() => {
  /* The live region names the icon, since a fragment cannot change the head of the page. */
  const showIcon = () => {
    const { icon: wanted, count } = document.getElementById("tab-icon")?.dataset ?? {};
    const shown = document.getElementById("problem-count");
    if (shown && count !== undefined && count !== shown.textContent) htmx.trigger(shown, "refresh");
    const link = document.querySelector('link[rel="icon"]');
    if (wanted && link && link.getAttribute("href") !== wanted) link.setAttribute("href", wanted);
  };
  document.addEventListener("htmx:sse:after:message", showIcon);
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector('.problem[data-sought="yes"]')?.scrollIntoView({ block: "nearest" });
  });

  /* What an operator is about to click stays where it is. The new order comes with the first message after that. */
  const isInUse = (element) => element.matches(":hover") || element.contains(document.activeElement);
  const keepOrder = (shown, next) => {
    const places = new Map([...shown.children].map((child, index) => [child.id, index]));
    const placeOf = (child) => places.get(child.id) ?? Number.MAX_SAFE_INTEGER;
    next.append(...[...next.children].sort((one, other) => placeOf(one) - placeOf(other)));
  };
  htmx.registerExtension("steady", {
    htmx_before_morph_node: (_, { oldNode, newNode }) => {
      if (newNode.hasAttribute?.("data-steady") && isInUse(oldNode)) keepOrder(oldNode, newNode);
      return true;
    },
  });
})();
