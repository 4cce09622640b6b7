/** What stands above the page. Each is a file of its own, so that the first view brings only what it shows. */
export { Confirm, Dialog } from "./dialog";
export { Menu, type MenuItem } from "./menu";
export { Tabs } from "./tabs";
export { doing, say, Toasts } from "./toasts";
