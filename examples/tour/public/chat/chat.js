// The chat page: opens a WebSocket by the chosen way in, shows what is said, and says plainly why it ended.
"use strict";

const find = (id) => document.getElementById(id);
const MEANINGS = {
  1000: "The conversation was closed",
  1001: "The server is going away",
  1002: "The server found a mistake in the protocol and closed",
  1005: "The server closed without giving a reason",
  1006: "The connection was lost",
  1008: "The server does not allow this",
  1009: "The message was too long for the server",
  1011: "Something failed in the server",
  1013: "The server has too much to do",
};

let socket = null;

function show(state, text) {
  find("state").dataset.state = state;
  find("state").textContent = text;
  const isOut = state === "away" || state === "ended";
  find("ways").disabled = !isOut;
  find("name").disabled = !isOut;
  find("say").hidden = state !== "here";
  find("go").textContent = state === "ended" ? "Connect again" : isOut ? "Enter" : "Leave";
  if (isOut) find("present").textContent = "";
}

function enter() {
  const way = document.querySelector("input[name=way]:checked");
  const name = way.parentElement.firstChild.nextSibling.textContent.trim();
  const address = new URL(way.value, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const opened = new WebSocket(address);
  let wasIn = false;
  socket = opened;
  find("messages").replaceChildren(); // the room tells again what was said last
  show("connecting", `Connecting: ${name} …`);
  opened.onopen = () => {
    wasIn = true;
    show("here", `You are in. The way: ${name}.`);
    find("text").focus();
  };
  opened.onmessage = (event) => take(JSON.parse(event.data));
  opened.onclose = (event) => {
    if (socket !== opened) return; // another one has taken its place
    socket = null;
    if (!wasIn) return show("ended", `The server did not let you in, or is not there (${event.code}).`);
    const meaning = MEANINGS[event.code] ?? "The server closed";
    show("ended", `${meaning} (${event.code})${event.reason ? `: ${event.reason}` : ""}.`);
  };
}

function leave() {
  const left = socket;
  socket = null;
  left.close(1000, "left");
  show("away", "You have left the room.");
}

function take(told) {
  if (told.kind === "said") add("said", told.text, told);
  else if (told.kind === "refused") add("refused", `Not said: ${told.text}`);
  else if (told.kind === "present") {
    const ways = Object.entries(told.ways).filter(([, count]) => count);
    find("present").textContent = `In the room: ${ways.map(([way, count]) => `${count} × ${way}`).join(", ")}`;
  }
}

function add(kind, text, said) {
  const item = document.createElement("li");
  item.className = kind;
  if (said) {
    const at = new Date(said.at * 1000);
    piece(item, "strong", said.name + (said.known ? " (signed in)" : ""));
    piece(item, "small", `${said.way}, ${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`);
  }
  piece(item, "span", text);
  find("messages").append(item);
  item.scrollIntoView({ block: "nearest" });
}

function piece(item, name, text) {
  const element = document.createElement(name);
  element.textContent = text; // never as HTML: it is what a stranger wrote
  item.append(element);
}

find("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket) leave();
  else enter();
});

find("say").addEventListener("submit", (event) => {
  event.preventDefault();
  socket.send(JSON.stringify({ name: find("name").value, text: find("text").value }));
  find("text").value = "";
});
