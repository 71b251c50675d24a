# Uebungsblatt 7, Aufgabe 3: Softmax-Regression
import numpy as np

def softmax(z):
    e = np.exp(z - np.max(z, axis=0))
    return e / np.sum(e, axis=0)

def kosten(gewichte, schwelle, eingaben, ziele):
    """mittlere Kreuzentropie, Spalten sind Beispiele"""
    anzahl = eingaben.shape[1]
    ausgabe = softmax(gewichte @ eingaben + schwelle)
    return -np.sum(ziele * np.log(ausgabe)) / anzahl

def ableitung(gewichte, schwelle, eingaben, ziele):
    anzahl = eingaben.shape[1]
    ausgabe = softmax(gewichte @ eingaben + schwelle)
    fehler = (ausgabe - ziele) / anzahl
    abl_gewichte = fehler @ eingaben.T
    abl_schwelle = np.sum(fehler, axis=1, keepdims=True)
    return abl_gewichte, abl_schwelle

def lerne(eingaben, ziele, lernrate=0.5, schritte=60):
    zufall = np.random.default_rng(11)
    gewichte = zufall.normal(0, 0.1, (ziele.shape[0], eingaben.shape[0]))
    schwelle = np.zeros((ziele.shape[0], 1))
    for s in range(schritte):
        dg, ds = ableitung(gewichte, schwelle, eingaben, ziele)
        gewichte = gewichte - lernrate * dg
        schwelle = schwelle - lernrate * ds
    print("Kosten am Ende:", kosten(gewichte, schwelle, eingaben, ziele))
    return gewichte, schwelle

zufall = np.random.default_rng(1)
daten = zufall.normal(size=(4, 50))
klassen = np.argmax(daten[:3] + 0.1 * zufall.normal(size=(3, 50)), axis=0)
einsaus = np.eye(3)[klassen].T
lerne(daten, einsaus)
