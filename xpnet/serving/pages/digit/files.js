// Files from this machine, chosen or dropped: a picture of a digit, or a network that was saved.

const PART = 512 * 1024; // bytes in one message
const MOST = 32 * 1024 * 1024; // bytes of a file

export class Files {
  constructor(wire, drawing, samples) {
    Object.assign(this, { wire, drawing, samples });
    this.choose("picture", (file) => this.picture(file));
    this.choose("open", (file) => this.open(file));
    wire.on("picture", (frame) => {
      this.samples.say("digit.pictured");
      this.drawing.isPicture = true;
      this.drawing.lay(frame.arrays.pixels.data);
    });
    wire.on("opened", () => this.samples.say(null));
    wire.on("error", ({ about }) => {
      if (["open", "picture"].includes(about)) this.samples.say(null);
      if (about === "picture") this.drawing.clear(); // what is there is not what was chosen
    });
    drawing.onChange(() => (this.drawing.isPicture &&= !drawing.isBlank));
    this.drop();
  }

  choose(name, take) {
    const input = document.getElementById(`${name}-file`);
    document.getElementById(name).addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      if (input.files[0]) take(input.files[0]);
      input.value = ""; // the same file can be chosen again
    });
  }

  // Anywhere on the page: what lands beside the sheet is meant for it.
  drop() {
    const paper = document.getElementById("drop");
    let inside = 0;
    const show = (change) => {
      inside = Math.max(0, inside + change);
      paper.classList.toggle("dropping", inside > 0);
    };
    const isFile = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragenter", (event) => isFile(event) && show(1));
    addEventListener("dragleave", (event) => isFile(event) && show(-1));
    addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      inside = 0;
      show(0);
      const [file] = event.dataTransfer.files;
      if (file?.type.startsWith("image/")) this.picture(file);
      else if (file) this.open(file);
    });
  }

  picture(file) {
    this.send("picture", "file", file);
  }

  open(file) {
    this.samples.say("digit.opening", { name: file.name });
    this.send("open", "bytes", file);
  }

  // In parts, as a message has a limit.
  async send(kind, array, file) {
    const { name } = file;
    if (file.size > MOST) return this.samples.say("digit.open.large", { name });
    const bytes = new Uint8Array(await file.arrayBuffer());
    const parts = Math.max(1, Math.ceil(bytes.length / PART));
    for (let part = 0; part < parts; part++) {
      const data = bytes.subarray(part * PART, (part + 1) * PART);
      this.wire.ask(kind, { name, part, parts }, { [array]: { data, shape: [data.length] } });
    }
  }
}
