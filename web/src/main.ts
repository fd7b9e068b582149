import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';
import { app } from './state/app.svelte';
import { live } from './state/live.svelte';

app.start();
live.start();

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no #app');
mount(App, { target });
