/** Draws the points with WebGL; null where there is none, or only one that a program imitates. */

const VERTEX = `
attribute vec2 place;
attribute vec4 colour;
uniform vec4 view;
uniform mediump float size;
varying vec4 inked;
void main() {
  inked = colour;
  gl_Position = vec4(place * view.xy + view.zw, 0.0, 1.0);
  gl_PointSize = colour.a > 0.0 ? size : 0.0;
}`;
const FRAGMENT = `
precision mediump float;
varying vec4 inked;
uniform mediump float size;
void main() {
  float away = length(gl_PointCoord - 0.5) * size;
  float cover = clamp(size * 0.5 - away, 0.0, 1.0) * inked.a;
  if (cover <= 0.0) discard;
  gl_FragColor = vec4(inked.rgb * cover, cover);
}`;

export class PointsGl {
  name = "WebGL";

  /** With a canvas of its own, or null. */
  static make() {
    const canvas = document.createElement("canvas");
    const gl = canvas.getContext("webgl", { antialias: false, failIfMajorPerformanceCaveat: true });
    return gl && !imitated(gl) ? new PointsGl(canvas, gl) : null;
  }

  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.view = gl.getUniformLocation(program, "view");
    this.size = gl.getUniformLocation(program, "size");
    this.buffers = ["place", "colour"].map((name) => {
      const place = gl.getAttribLocation(program, name);
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, name === "place" ? 2 : 4, name === "place" ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE, true, 0, 0);
      return buffer;
    });
  }

  /** @param {Uint16Array} places @param {Uint8Array} colours red, green, blue, alpha of each point */
  load(places, colours) {
    const { gl } = this;
    this.number = places.length / 2;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[0]);
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
    this.paint(colours);
  }

  paint(colours) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[1]);
    gl.bufferData(gl.ARRAY_BUFFER, colours, gl.DYNAMIC_DRAW);
  }

  /** Draws all points, `size` CSS pixels wide. */
  draw(plane, size, ratio) {
    const { gl } = this;
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
    const [left, top] = plane.toScreen(0, 0);
    const [wide, high] = [(2 * plane.side * ratio) / width, (2 * plane.side * ratio) / height];
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform4f(this.view, wide, -high, (2 * left * ratio) / width - 1, 1 - (2 * top * ratio) / height);
    gl.uniform1f(this.size, size * ratio);
    gl.drawArrays(gl.POINTS, 0, this.number);
  }
}

/** Whether a program on the CPU stands in for the graphics card; then writing pixels is faster. */
function imitated(gl) {
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  const name = told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : gl.getParameter(gl.RENDERER);
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(String(name));
}
