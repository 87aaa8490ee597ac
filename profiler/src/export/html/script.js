'use strict';
// A line at the pointer through all lanes of a figure, with its time.
for (const lanes of document.querySelectorAll('.lanes[data-s]')) {
  const seconds = Number(lanes.dataset.s), plots = lanes.querySelectorAll(':scope > svg');
  const cross = document.createElement('div'), time = document.createElement('span');
  cross.className = 'cross';
  cross.append(time);
  cross.hidden = true;
  lanes.append(cross);
  lanes.addEventListener('pointermove', (event) => {
    const plot = plots[0].getBoundingClientRect(), box = lanes.getBoundingClientRect();
    const place = (event.clientX - plot.left) / plot.width;
    cross.hidden = place < 0 || place > 1;
    cross.style.left = `${event.clientX - box.left}px`;
    time.textContent = `${(place * seconds).toFixed(3)} s`;
    time.className = place > 0.8 ? 'left' : '';
  });
  lanes.addEventListener('pointerleave', () => { cross.hidden = true; });
}

// A click on a frame shows it as wide as the graph, a click on it again all; a search marks frames, and says their time.
for (const flame of document.querySelectorAll('details.flame')) {
  const frames = [...flame.querySelectorAll('svg g')], search = flame.querySelector('.search');
  const show = (from, width) => {
    for (const frame of frames) {
      const left = (frame.dataset.from - from) / width, wide = frame.dataset.width / width;
      const begin = Math.max(left, 0), end = Math.min(left + wide, 1), rect = frame.firstElementChild;
      frame.style.display = end - begin < 0.0005 ? 'none' : '';
      rect.setAttribute('x', `${100 * begin}%`);
      rect.setAttribute('width', `${100 * Math.max(end - begin, 0)}%`);
      let text = frame.querySelector('text');
      const label = rect.textContent.slice(0, rect.textContent.lastIndexOf(': '));
      const room = (end - begin) * rect.ownerSVGElement.clientWidth / 7 - 1;
      if (!text && room >= 3) {
        text = document.createElementNS(rect.namespaceURI, 'text');
        text.setAttribute('dx', '3');
        text.setAttribute('y', Number(rect.getAttribute('y')) + 12);
        text.setAttribute('class', `on-${rect.getAttribute('class')}`);
        frame.append(text);
      }
      if (text) {
        text.classList.remove('wide');
        text.setAttribute('x', `${100 * begin}%`);
        text.textContent = room < 3 ? '' : label.length <= room ? label : `${label.slice(0, room - 1)}…`;
      }
    }
  };
  let shown = null;
  frames.forEach((frame) => frame.addEventListener('click', () => {
    shown = shown === frame ? null : frame;
    show(shown ? Number(frame.dataset.from) : 0, shown ? Number(frame.dataset.width) : 1);
  }));
  search.hidden = false;
  search.querySelector('input').addEventListener('input', (event) => {
    const wanted = event.target.value.toLowerCase();
    frames.forEach((frame) => frame.classList.remove('found'));
    let found = 0;
    for (const frame of frames) {
      const is = wanted && frame.textContent.toLowerCase().includes(wanted);
      // A frame inside of one that was found counts once.
      const from = Number(frame.dataset.from), inside = frames.some((other) => other !== frame &&
        other.classList.contains('found') && other.dataset.from <= from &&
        from < Number(other.dataset.from) + Number(other.dataset.width));
      if (is && !inside) found += Number(frame.dataset.width);
      frame.classList.toggle('found', Boolean(is));
    }
    search.querySelector('output').textContent = wanted ? `${(100 * found).toFixed(1)} %` : '';
  });
}
